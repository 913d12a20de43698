//! Images of a case, for judges that see.

use crate::hash;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;
use std::sync::Arc;

/// An image: bytes with their media type, or the address of one that the provider fetches. Nothing is fetched here.
///
/// In JSON it is a `data:` URL in base64, or the address.
///
/// ```
/// use llmtest_metrics::Image;
///
/// let image = Image::from_bytes("image/png", *b"\x89PNG");
/// assert_eq!(serde_json::to_string(&image)?, "\"data:image/png;base64,iVBORw==\"");
/// assert_eq!(Image::url("https://example.com/cat.png").to_string(), "https://example.com/cat.png");
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct Image(Source);

#[derive(Clone, PartialEq, Eq)]
enum Source {
    Bytes {
        media_type: String,
        bytes: Arc<[u8]>,
    },
    Url(String),
}

impl Image {
    /// An image at hand; `media_type` is such as `image/png` or `image/jpeg`.
    pub fn from_bytes(media_type: impl Into<String>, bytes: impl Into<Vec<u8>>) -> Self {
        Self(Source::Bytes {
            media_type: media_type.into(),
            bytes: bytes.into().into(),
        })
    }

    /// The address of an image, `https://…`, which the provider fetches where it can.
    pub fn url(url: impl Into<String>) -> Self {
        Self(Source::Url(url.into()))
    }

    /// The media type, `None` of an address.
    pub fn media_type(&self) -> Option<&str> {
        match &self.0 {
            Source::Bytes { media_type, .. } => Some(media_type),
            Source::Url(_) => None,
        }
    }

    /// The bytes in base64, `None` of an address.
    pub fn base64(&self) -> Option<String> {
        match &self.0 {
            Source::Bytes { bytes, .. } => Some(encoded(bytes)),
            Source::Url(_) => None,
        }
    }

    /// The address, or a `data:` URL with the bytes.
    pub fn to_url(&self) -> String {
        match &self.0 {
            Source::Bytes { media_type, bytes } => {
                format!("data:{media_type};base64,{}", encoded(bytes))
            }
            Source::Url(url) => url.clone(),
        }
    }

    /// What a recording holds in its place: the hash of the bytes.
    fn digest(&self) -> String {
        match &self.0 {
            Source::Bytes { media_type, bytes } => {
                format!("{media_type} {}", hash::long(bytes))
            }
            Source::Url(url) => url.clone(),
        }
    }
}

/// What a person is told: no bytes.
impl fmt::Display for Image {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Source::Bytes { media_type, bytes } => write!(f, "{media_type}, {} bytes", bytes.len()),
            Source::Url(url) => f.write_str(url),
        }
    }
}

impl fmt::Debug for Image {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Image({self})")
    }
}

/// For messages of prompts, which are recorded: digests, not megabytes.
pub(crate) fn digests<S: Serializer>(images: &[Image], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(images.iter().map(Image::digest))
}

impl Serialize for Image {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.to_url())
    }
}

impl<'de> Deserialize<'de> for Image {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        if text.starts_with("https://") || text.starts_with("http://") {
            return Ok(Self::url(text));
        }
        let parts = text
            .strip_prefix("data:")
            .and_then(|rest| rest.split_once(";base64,"));
        let read = parts.and_then(|(kind, data)| Some(Self::from_bytes(kind, decoded(data)?)));
        read.ok_or_else(|| {
            serde::de::Error::custom(
                "an image must be `data:image/png;base64,…` or an address that begins with `https://`",
            )
        })
    }
}

const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// Base64 with padding, as RFC 4648 has it.
fn encoded(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for three in bytes.chunks(3) {
        let byte = |at: usize| usize::from(three.get(at).copied().unwrap_or_default());
        let held = byte(0) << 16 | byte(1) << 8 | byte(2);
        for place in 0..4 {
            if place <= three.len() {
                text.push(char::from(DIGITS[held >> (18 - 6 * place) & 63]));
            } else {
                text.push('=');
            }
        }
    }
    text
}

fn decoded(text: &str) -> Option<Vec<u8>> {
    let digits = text.trim_end_matches('=').as_bytes();
    let mut bytes = Vec::with_capacity(digits.len() / 4 * 3 + 2);
    let (mut held, mut bits) = (0_usize, 0);
    for digit in digits {
        held = (held << 6 | DIGITS.iter().position(|known| known == digit)?) & 0xffff;
        bits += 6;
        if bits >= 8 {
            bits -= 8;
            bytes.push(u8::try_from(held >> bits & 0xff).ok()?);
        }
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_is_that_of_the_rfc_and_reads_back() {
        for (text, expected) in [
            ("", ""),
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foo", "Zm9v"),
            ("foob", "Zm9vYg=="),
            ("fooba", "Zm9vYmE="),
            ("foobar", "Zm9vYmFy"),
        ] {
            assert_eq!(encoded(text.as_bytes()), expected);
            assert_eq!(decoded(expected).unwrap(), text.as_bytes());
        }
        assert_eq!(decoded("a b"), None);
    }

    #[test]
    fn images_read_back_and_show_no_bytes() {
        let image = Image::from_bytes("image/png", vec![0, 1, 250, 255]);
        let text = serde_json::to_string(&image).unwrap();
        assert_eq!(serde_json::from_str::<Image>(&text).unwrap(), image);
        assert_eq!(format!("{image:?}"), "Image(image/png, 4 bytes)");
        let error = serde_json::from_str::<Image>("\"/etc/passwd\"").unwrap_err();
        assert!(error.to_string().contains("data:image/png"), "{error}");
    }
}
