//! What a provider says in its headers of what is left.

use std::collections::HashMap;
use std::sync::{Mutex, OnceLock, PoisonError};

/// Until when nothing is left, by server and model, in milliseconds since 1970. Written where replies are read, which is
/// below the judges, and read where calls end, which is above them.
fn spent() -> &'static Mutex<HashMap<String, u64>> {
    static SPENT: OnceLock<Mutex<HashMap<String, u64>>> = OnceLock::new();
    SPENT.get_or_init(Mutex::default)
}

/// Until when nothing is left at this server, as far as it has said.
pub(super) fn spent_until(key: &str) -> Option<u64> {
    let spent = spent().lock().unwrap_or_else(PoisonError::into_inner);
    spent.get(key).copied()
}

/// Remembers what the headers of a reply say.
#[cfg(feature = "http")]
pub(in crate::judge) fn hear<'a>(
    config: &crate::config::JudgeConfig,
    header: impl Fn(&str) -> Option<&'a str>,
    now: std::time::SystemTime,
) {
    let since = now.duration_since(std::time::UNIX_EPOCH);
    let now = since.map_or(0, |since| {
        u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
    });
    if let Some(until) = headers::until(header, now) {
        let mut spent = spent().lock().unwrap_or_else(PoisonError::into_inner);
        spent.insert(super::key(config), until);
    }
}

#[cfg(feature = "http")]
mod headers {
    use std::time::Duration;

    /// The headers that say what is left, and when there is more.
    const PAIRS: [(&str, &str); 6] = [
        (
            "x-ratelimit-remaining-requests",
            "x-ratelimit-reset-requests",
        ),
        ("x-ratelimit-remaining-tokens", "x-ratelimit-reset-tokens"),
        (
            "anthropic-ratelimit-requests-remaining",
            "anthropic-ratelimit-requests-reset",
        ),
        (
            "anthropic-ratelimit-tokens-remaining",
            "anthropic-ratelimit-tokens-reset",
        ),
        (
            "anthropic-ratelimit-input-tokens-remaining",
            "anthropic-ratelimit-input-tokens-reset",
        ),
        (
            "anthropic-ratelimit-output-tokens-remaining",
            "anthropic-ratelimit-output-tokens-reset",
        ),
    ];

    /// Until when nothing is left, in milliseconds since 1970.
    pub(super) fn until<'a>(header: impl Fn(&str) -> Option<&'a str>, now: u64) -> Option<u64> {
        let of_pair = |(left, reset): &(&str, &str)| {
            let left: f64 = header(left)?.trim().parse().ok()?;
            (left < 1.0).then_some(())?;
            moment(header(reset)?.trim(), now)
        };
        PAIRS.iter().filter_map(of_pair).max()
    }

    /// `6m0s`, `20ms`, seconds from now, or a time of day in RFC 3339.
    fn moment(text: &str, now: u64) -> Option<u64> {
        if let Ok(seconds) = text.parse::<f64>() {
            let usable = (0.0..1e9).contains(&seconds);
            return usable
                .then(|| millis(seconds))
                .flatten()
                .map(|wait| now + wait);
        }
        duration(text)
            .map(|wait| now + wait)
            .or_else(|| rfc3339(text))
    }

    /// Whole milliseconds, rounded up, of less than 30 years.
    fn millis(seconds: f64) -> Option<u64> {
        let time = Duration::try_from_secs_f64(seconds).ok()?;
        let millis = u64::try_from(time.as_nanos().div_ceil(1_000_000)).ok()?;
        (millis < 1_000_000_000_000).then_some(millis)
    }

    /// Milliseconds of `1h2m3.5s` or `20ms`.
    fn duration(text: &str) -> Option<u64> {
        let (mut rest, mut sum) = (text, 0.0);
        while !rest.is_empty() {
            let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
            let number: f64 = rest[..digits].parse().ok()?;
            let units = &rest[digits..];
            let end = units
                .find(|c: char| c.is_ascii_digit() || c == '.')
                .unwrap_or(units.len());
            sum += number
                * match &units[..end] {
                    "us" | "µs" => 0.001,
                    "ms" => 1.0,
                    "s" => 1000.0,
                    "m" => 60_000.0,
                    "h" => 3_600_000.0,
                    "d" => 86_400_000.0,
                    _ => return None,
                };
            rest = &units[end..];
        }
        if text.is_empty() {
            return None;
        }
        millis(sum / 1000.0)
    }

    /// Milliseconds since 1970 of `2025-03-01T12:00:30Z`, which is how it is sent; offsets are understood.
    fn rfc3339(text: &str) -> Option<u64> {
        let (date, time) = text.split_once(['T', 't'])?;
        let (clock, offset) = if let Some(clock) = time.strip_suffix(['Z', 'z']) {
            (clock, 0)
        } else {
            let at = time.rfind(['+', '-'])?;
            let (hours, minutes) = time[at + 1..].split_once(':')?;
            let (hours, minutes): (u8, u8) = (hours.parse().ok()?, minutes.parse().ok()?);
            let minutes = i64::from(hours) * 60 + i64::from(minutes);
            let sign = if time[at..].starts_with('-') { -1 } else { 1 };
            (&time[..at], sign * minutes * 60)
        };
        let seconds = crate::judge::http_date::days(date)? * 86_400 + of_clock(clock)? - offset;
        u64::try_from(seconds).ok()?.checked_mul(1000)
    }

    /// Whole seconds of `12:00:30.5`, one more where it has a fraction.
    fn of_clock(clock: &str) -> Option<i64> {
        let (clock, fraction) = clock.split_once('.').unwrap_or((clock, ""));
        let mut parts = clock.splitn(3, ':');
        let mut number = |below: i64| {
            let number = parts.next()?.parse().ok();
            number.filter(|number| (0..below).contains(number))
        };
        let (hours, minutes, seconds) = (number(24)?, number(60)?, number(61)?);
        let begun = i64::from(fraction.bytes().any(|byte| byte != b'0'));
        Some(hours * 3600 + minutes * 60 + seconds + begun)
    }

    #[cfg(test)]
    mod tests {
        use super::*;

        fn heard(pairs: &[(&str, &'static str)], now: u64) -> Option<u64> {
            let find = |name: &str| pairs.iter().find(|(known, _)| *known == name);
            until(|name| find(name).map(|(_, value)| *value), now)
        }

        #[test]
        fn the_forms_of_all_providers_are_read() {
            for (form, wait) in [
                ("6m0s", 360_000),
                ("20ms", 20),
                ("1h2m3.5s", 3_723_500),
                ("17", 17_000),
                ("0.25", 250),
                ("1m", 60_000),
            ] {
                let pairs = [
                    ("x-ratelimit-remaining-requests", "0"),
                    ("x-ratelimit-reset-requests", form),
                ];
                assert_eq!(heard(&pairs, 1000), Some(1000 + wait), "{form}");
            }
            for form in ["2025-03-01T12:00:30Z", "2025-03-01T14:00:29.5+02:00"] {
                let pairs = [
                    ("anthropic-ratelimit-output-tokens-remaining", "0"),
                    ("anthropic-ratelimit-output-tokens-reset", form),
                ];
                assert_eq!(heard(&pairs, 0), Some(1_740_830_430_000), "{form}");
            }
        }

        #[test]
        fn what_is_left_or_unreadable_holds_nobody_back() {
            for (left, reset) in [
                ("3", "6m0s"),
                ("0", "soon"),
                ("0", ""),
                ("?", "1s"),
                ("0", "-1"),
                ("0", "1e99"),
                ("0", "2025-03-01T12:00:30+9223372036854775807:00"),
            ] {
                let pairs = [
                    ("x-ratelimit-remaining-tokens", left),
                    ("x-ratelimit-reset-tokens", reset),
                ];
                assert_eq!(heard(&pairs, 0), None, "{left} {reset}");
            }
            assert_eq!(heard(&[("x-ratelimit-remaining-tokens", "0")], 0), None);
        }
    }
}
