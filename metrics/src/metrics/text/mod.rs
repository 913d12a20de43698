//! Metrics that compare texts without a judge.

#[cfg(test)]
mod tests {
    use crate::proptesting;
    use proptest::prelude::*;

    proptest! {
        #![proptest_config(proptesting::config())]

        #[test]
        fn fixed(text in ".{0,20}") {
            prop_assert!(text.chars().count() <= 20);
        }
    }
}
