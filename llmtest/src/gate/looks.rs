//! Looking again after more trials, without being wrong more often for it.

/// How many times as many trials a test has at each look: twice as many as before, and at last `max`.
///
/// Each look gets an equal share of `alpha` (Bonferroni): whatever hangs together between looks, a change that changes
/// nothing is blocked at one of them no more often than `alpha`. A confidence sequence would allow any number of looks, at
/// the price of an interval that is wider than that of these few; a test of one rate against two (SPRT) has no pairs.
///
/// ```
/// assert_eq!(llmtest::gate::looks(5), [1, 2, 4, 5]);
/// assert_eq!(llmtest::gate::looks(1), [1]);
/// ```
pub fn looks(max: u32) -> Vec<u32> {
    let mut all: Vec<u32> = std::iter::successors(Some(1_u32), |n| n.checked_mul(2))
        .take_while(|n| *n < max)
        .collect();
    all.push(max.max(1));
    all
}
