//! SHA-256, cut to what is needed: versions of prompts, keys of recordings, nonces.

use std::fmt::Write;

/// Hashes parts so that no two lists of parts collide by concatenation.
pub struct Hasher(hmac_sha256::Hash);

impl Default for Hasher {
    fn default() -> Self {
        Self::new()
    }
}

impl Hasher {
    /// An empty hash.
    pub fn new() -> Self {
        Self(hmac_sha256::Hash::new())
    }

    /// Adds a part with its length.
    pub fn part(&mut self, bytes: &[u8]) {
        self.0.update((bytes.len() as u64).to_le_bytes());
        self.0.update(bytes);
    }

    /// The first 64 bits as 16 hex digits.
    pub fn hex64(self) -> String {
        hex(&self.0.finalize()[..8])
    }
}

/// The first 32 bits of the hash of these bytes, as 8 hex digits.
///
/// ```
/// assert_eq!(llmtest_metrics::hash::short(b"").len(), 8);
/// ```
pub fn short(bytes: &[u8]) -> String {
    hex(&hmac_sha256::Hash::hash(bytes)[..4])
}

/// The first 64 bits of the hash of these bytes, as 16 hex digits: [`short`] is how it begins.
///
/// ```
/// use llmtest_metrics::hash;
///
/// assert!(hash::long(b"a row").starts_with(&hash::short(b"a row")));
/// ```
pub fn long(bytes: &[u8]) -> String {
    hex(&hmac_sha256::Hash::hash(bytes)[..8])
}

fn hex(bytes: &[u8]) -> String {
    bytes
        .iter()
        .fold(String::with_capacity(bytes.len() * 2), |mut hex, byte| {
            let _ = write!(hex, "{byte:02x}");
            hex
        })
}
