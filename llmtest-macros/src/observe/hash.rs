//! A fingerprint of a function's body, which tells a recording that the code has changed.

use proc_macro2::{Delimiter, TokenStream, TokenTree};

/// FNV-1a over the tokens: white space, comments and positions do not count.
pub(crate) fn of_tokens(tokens: &TokenStream) -> u64 {
    let mut hash = 0xcbf2_9ce4_8422_2325;
    add_stream(&mut hash, tokens);
    hash
}

fn add_stream(hash: &mut u64, tokens: &TokenStream) {
    for token in tokens.clone() {
        match token {
            TokenTree::Group(group) => {
                let (open, close) = match group.delimiter() {
                    Delimiter::Parenthesis => ("(", ")"),
                    Delimiter::Brace => ("{", "}"),
                    Delimiter::Bracket => ("[", "]"),
                    Delimiter::None => ("", ""),
                };
                add(hash, open);
                add_stream(hash, &group.stream());
                add(hash, close);
            }
            TokenTree::Ident(ident) => add(hash, &ident.to_string()),
            TokenTree::Punct(punct) => add(hash, punct.as_char().encode_utf8(&mut [0; 4])),
            TokenTree::Literal(literal) => add(hash, &literal.to_string()),
        }
    }
}

fn add(hash: &mut u64, token: &str) {
    // The zero byte separates tokens: `a b` is not `ab`.
    for byte in token.bytes().chain([0]) {
        *hash = (*hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hash(code: &str) -> u64 {
        of_tokens(&code.parse().unwrap())
    }

    #[test]
    fn only_tokens_count() {
        assert_eq!(hash("a + b(c)"), hash("a+ b ( /* why */ c )"));
    }

    #[test]
    fn every_change_of_a_token_counts() {
        let texts = [
            "a b", "ab", "(a) b", "{a} b", "a \"b\"", "b a", "a b c", "a 'b'",
        ];
        let hashes: std::collections::HashSet<u64> = texts.into_iter().map(hash).collect();
        assert_eq!(hashes.len(), texts.len());
    }
}
