//! Amazon's region and keys, from where its own tools take them.

use super::env::Env;
use crate::redact::Secret;

/// What is known of an account at Amazon.
#[derive(Debug, Clone, Default)]
pub(crate) struct Aws {
    pub(crate) region: Option<String>,
    pub(crate) keys: Option<Keys>,
}

/// Keys that sign requests.
#[derive(Debug, Clone)]
pub(crate) struct Keys {
    /// It is sent as it is, and yet nobody should have to see it in a report.
    pub(crate) id: Secret,
    pub(crate) secret: Secret,
    /// That of keys that hold for some hours only.
    pub(crate) session: Option<Secret>,
}

impl Aws {
    /// From `AWS_REGION` or `AWS_DEFAULT_REGION`, and `AWS_ACCESS_KEY_ID` with its companions; with the feature `bedrock`
    /// also from the profile `AWS_PROFILE` in `~/.aws`.
    pub(super) fn of(env: &Env<'_>) -> Self {
        let region = ["AWS_REGION", "AWS_DEFAULT_REGION"]
            .into_iter()
            .find_map(|name| env.text(name));
        let set = Self {
            region: region.and_then(plain),
            keys: Keys::of(|name| env.text(name).map(str::to_string)),
        };
        #[cfg(feature = "bedrock")]
        let set = profile::complete(set, env);
        set
    }

    /// Where Bedrock is, in the region.
    pub(super) fn url(&self) -> Option<String> {
        let region = self.region.as_deref()?;
        let domain = if region.starts_with("cn-") {
            "amazonaws.com.cn"
        } else {
            "amazonaws.com"
        };
        Some(format!("https://bedrock-runtime.{region}.{domain}"))
    }

    /// What must not be written or shown.
    pub(super) fn secrets(&self) -> impl Iterator<Item = Secret> + use<> {
        let keys = self.keys.clone();
        keys.into_iter()
            .flat_map(|keys| [Some(keys.id), Some(keys.secret), keys.session])
            .flatten()
    }
}

impl Keys {
    fn of(text: impl Fn(&str) -> Option<String>) -> Option<Self> {
        let secret = |name| text(name).map(|text| Secret::new(text.trim()));
        Some(Self {
            id: secret("AWS_ACCESS_KEY_ID")?,
            secret: secret("AWS_SECRET_ACCESS_KEY")?,
            session: secret("AWS_SESSION_TOKEN"),
        })
    }
}

/// A region becomes a part of the server's name.
fn plain(region: &str) -> Option<String> {
    let region = region.trim();
    let plain = region
        .bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    (plain && !region.is_empty()).then(|| region.to_string())
}

/// The files that `aws configure` writes.
#[cfg(feature = "bedrock")]
mod profile {
    use super::{Aws, Env, Keys, plain};
    use std::path::{Path, PathBuf};

    /// Fills in what the variables leave open.
    pub(super) fn complete(mut set: Aws, env: &Env<'_>) -> Aws {
        if set.region.is_some() && set.keys.is_some() {
            return set;
        }
        let name = env.text("AWS_PROFILE").unwrap_or("default").trim();
        let home = ["HOME", "USERPROFILE"]
            .into_iter()
            .find_map(|name| env.text(name));
        let file = |variable: &str, usual: &str| {
            let own = env.text(variable).map(PathBuf::from);
            own.or_else(|| Some(Path::new(home?).join(".aws").join(usual)))
                .and_then(|path| std::fs::read_to_string(path).ok())
                .unwrap_or_default()
        };
        let config = file("AWS_CONFIG_FILE", "config");
        let credentials = file("AWS_SHARED_CREDENTIALS_FILE", "credentials");
        let named = format!("profile {name}");
        let setting = |key: &str| {
            member(&credentials, name, key)
                .or_else(|| member(&config, &named, key))
                .or_else(|| member(&config, name, key))
        };
        set.region = set.region.or_else(|| plain(&setting("region")?));
        set.keys = set
            .keys
            .or_else(|| Keys::of(|variable| setting(&variable.to_lowercase())));
        set
    }

    /// `key = value` below `[section]`.
    fn member(text: &str, section: &str, key: &str) -> Option<String> {
        let mut inside = false;
        for line in text.lines() {
            // What is indented belongs to the setting above.
            if line.starts_with([' ', '\t', '#', ';']) {
                continue;
            }
            if let Some(header) = line.trim_end().strip_prefix('[') {
                let words: Vec<&str> = header.trim_end_matches(']').split_whitespace().collect();
                inside = words.join(" ") == section;
            } else if inside
                && let Some((name, value)) = line.split_once('=')
                && name.trim().eq_ignore_ascii_case(key)
                && !value.trim().is_empty()
            {
                return Some(value.trim().to_string());
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn aws(vars: &[(&str, &str)]) -> Aws {
        let vars: Vec<_> = vars
            .iter()
            .map(|(name, value)| ((*name).to_string(), (*value).to_string()))
            .collect();
        Aws::of(&Env::new(&vars).unwrap())
    }

    #[test]
    fn the_region_is_a_part_of_the_address_and_nothing_else_may_be() {
        for (region, url) in [
            (
                "eu-central-1",
                Some("https://bedrock-runtime.eu-central-1.amazonaws.com"),
            ),
            (
                "cn-north-1",
                Some("https://bedrock-runtime.cn-north-1.amazonaws.com.cn"),
            ),
            ("evil.example/", None),
        ] {
            assert_eq!(aws(&[("AWS_REGION", region)]).url().as_deref(), url);
        }
        let other = [("AWS_DEFAULT_REGION", "us-east-1")];
        assert_eq!(aws(&other).region.as_deref(), Some("us-east-1"));
    }

    #[test]
    fn one_key_without_the_other_is_none_and_neither_is_shown() {
        assert!(aws(&[("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")]).keys.is_none());
        let both = aws(&[
            ("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE"),
            ("AWS_SECRET_ACCESS_KEY", "very-secret-key"),
            ("AWS_SESSION_TOKEN", "very-secret-token"),
        ]);
        assert_eq!(both.secrets().count(), 3);
        let shown = format!("{both:?}");
        assert!(
            !shown.contains("very-secret") && !shown.contains("AKID"),
            "{shown}"
        );
    }

    #[cfg(feature = "bedrock")]
    #[test]
    fn a_profile_fills_in_what_the_variables_leave_open() {
        let dir = std::env::temp_dir().join(format!("llmtest-aws-{}", std::process::id()));
        std::fs::create_dir_all(&dir).unwrap();
        let (config, credentials) = (dir.join("config"), dir.join("credentials"));
        std::fs::write(
            &config,
            "[default]\nregion = eu-west-1\n\n[profile work]\nregion=us-west-2\ns3 =\n  region = nowhere-1\n",
        )
        .unwrap();
        std::fs::write(
            &credentials,
            "# mine\n[default]\naws_access_key_id = ID1\naws_secret_access_key = SECRET/1=\n[work]\naws_access_key_id = ID2\naws_secret_access_key = SECRET2\naws_session_token = TOKEN2\n",
        )
        .unwrap();
        let files = [
            ("AWS_CONFIG_FILE", config.to_str().unwrap()),
            ("AWS_SHARED_CREDENTIALS_FILE", credentials.to_str().unwrap()),
        ];
        let keys = |aws: &Aws| {
            let keys = aws.keys.clone().unwrap();
            let session = keys.session.map(|token| token.expose().to_string());
            (
                keys.id.expose().to_string(),
                keys.secret.expose().to_string(),
                session,
            )
        };
        let standard = aws(&files);
        assert_eq!(standard.region.as_deref(), Some("eu-west-1"));
        assert_eq!(
            keys(&standard),
            ("ID1".to_string(), "SECRET/1=".to_string(), None)
        );
        let mut vars = files.to_vec();
        vars.push(("AWS_PROFILE", "work"));
        let work = aws(&vars);
        assert_eq!(work.region.as_deref(), Some("us-west-2"));
        assert_eq!(keys(&work).2.as_deref(), Some("TOKEN2"));
        vars.extend([
            ("AWS_REGION", "ap-south-1"),
            ("AWS_ACCESS_KEY_ID", "ID3"),
            ("AWS_SECRET_ACCESS_KEY", "SECRET3"),
        ]);
        let own = aws(&vars);
        assert_eq!(own.region.as_deref(), Some("ap-south-1"));
        assert_eq!((keys(&own).0.as_str(), keys(&own).2), ("ID3", None));
        std::fs::remove_dir_all(&dir).unwrap();
    }
}
