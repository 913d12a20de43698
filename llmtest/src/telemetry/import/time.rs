//! Times of day in RFC 3339.

use crate::calendar;

/// Nanoseconds since 1970 of `2026-05-07T11:39:25.649Z`; a time without a zone is UTC.
pub(super) fn nanoseconds(text: &str) -> Option<i128> {
    let text = text.trim();
    let (date, rest) = text.split_once(['T', 't', ' '])?;
    let mut parts = date.splitn(3, '-');
    let year: i64 = whole(parts.next()?, 4)?;
    let month: i64 = whole(parts.next()?, 2)?;
    let day: i64 = whole(parts.next()?, 2)?;
    let zone_at = rest.find(['Z', 'z', '+', '-']).unwrap_or(rest.len());
    let (clock, zone) = rest.split_at(zone_at);
    let mut parts = clock.splitn(3, ':');
    let hour: i64 = whole(parts.next()?, 2)?;
    let minute: i64 = whole(parts.next()?, 2)?;
    let (second, fraction) = match parts.next() {
        Some(seconds) => seconds.split_once('.').unwrap_or((seconds, "")),
        None => ("00", ""),
    };
    let second: i64 = whole(second, 2)?;
    let in_range = (1..=12).contains(&month)
        && (1..=31).contains(&day)
        && hour < 24
        && minute < 60
        && second < 61;
    if !in_range || !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let fraction: i128 = format!("{fraction:0<9}").get(..9)?.parse().ok()?;
    let seconds = calendar::days(year, month, day) * 86_400 + hour * 3_600 + minute * 60 + second;
    Some(i128::from(seconds - offset(zone)?) * 1_000_000_000 + fraction)
}

/// A number of exactly this many digits.
fn whole(text: &str, digits: usize) -> Option<i64> {
    let plain = text.len() == digits && text.bytes().all(|byte| byte.is_ascii_digit());
    plain.then(|| text.parse().ok())?
}

/// Seconds east of Greenwich of `Z`, `+02:00`, `+0200`, or nothing.
fn offset(zone: &str) -> Option<i64> {
    if zone.is_empty() || zone.eq_ignore_ascii_case("z") {
        return Some(0);
    }
    let sign = if zone.starts_with('-') { -1 } else { 1 };
    let digits: String = zone.get(1..)?.chars().filter(|c| *c != ':').collect();
    let hours = whole(digits.get(..2)?, 2)?;
    let minutes = digits.get(2..).filter(|text| !text.is_empty());
    let minutes = minutes.map_or(Some(0), |text| whole(text, 2))?;
    Some(sign * (hours * 3_600 + minutes * 60))
}

#[cfg(test)]
mod tests {
    use super::nanoseconds;

    #[test]
    fn a_time_of_day_is_nanoseconds_since_1970() {
        assert_eq!(nanoseconds("1970-01-01T00:00:00Z"), Some(0));
        assert_eq!(
            nanoseconds("2025-06-11T14:01:32.598Z"),
            Some(1_749_650_492_598_000_000)
        );
        let same = nanoseconds("2024-02-29T23:30:00.000000001Z");
        assert_eq!(same, Some(1_709_249_400_000_000_001));
        assert_eq!(nanoseconds("2024-03-01T01:30:00.000000001+02:00"), same);
        assert_eq!(nanoseconds("2024-02-29 18:00:00.000000001-0530"), same);
    }

    #[test]
    fn what_is_no_time_is_none() {
        for text in [
            "",
            "soon",
            "2025-13-01T00:00:00Z",
            "2025-01-01",
            "2025-01-01T0é:00:00Z",
            "2025-01-01T00:00:00+é",
        ] {
            assert_eq!(nanoseconds(text), None, "{text}");
        }
    }
}
