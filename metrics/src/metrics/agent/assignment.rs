//! Which of two lists belong together: the assignment of the greatest total weight.

/// For each row the column that it is given, such that every column is given once at most and the sum of the weights is
/// the greatest possible (the Hungarian method with potentials, O(rows² × columns); Kuhn 1955, Munkres 1957). Weights are
/// at least 0; pairs of weight 0 are left out.
pub(crate) fn assign(weights: &[Vec<f64>]) -> Vec<Option<usize>> {
    let rows = weights.len();
    let columns = weights.first().map_or(0, Vec::len);
    if rows > columns {
        let turned: Vec<Vec<f64>> = (0..columns)
            .map(|column| weights.iter().map(|row| row[column]).collect())
            .collect();
        let mut given = vec![None; rows];
        for (column, row) in assign(&turned).into_iter().enumerate() {
            if let Some(row) = row {
                given[row] = Some(column);
            }
        }
        return given;
    }
    // Rows and columns are counted from 1; column 0 holds the row that is looking for its column.
    let mut row_potential = vec![0.0; rows + 1];
    let mut column_potential = vec![0.0; columns + 1];
    let mut taken_by = vec![0; columns + 1];
    for row in 1..=rows {
        taken_by[0] = row;
        let mut came_from = vec![0; columns + 1];
        let mut slack = vec![f64::INFINITY; columns + 1];
        let mut seen = vec![false; columns + 1];
        let mut column = 0;
        while taken_by[column] != 0 {
            seen[column] = true;
            let current = taken_by[column];
            let (mut delta, mut next) = (f64::INFINITY, 0);
            for other in (1..=columns).filter(|other| !seen[*other]) {
                let reduced = -weights[current - 1][other - 1]
                    - row_potential[current]
                    - column_potential[other];
                if reduced < slack[other] {
                    slack[other] = reduced;
                    came_from[other] = column;
                }
                if slack[other] < delta {
                    delta = slack[other];
                    next = other;
                }
            }
            for other in 0..=columns {
                if seen[other] {
                    row_potential[taken_by[other]] += delta;
                    column_potential[other] -= delta;
                } else {
                    slack[other] -= delta;
                }
            }
            column = next;
        }
        while column != 0 {
            taken_by[column] = taken_by[came_from[column]];
            column = came_from[column];
        }
    }
    let mut given = vec![None; rows];
    for column in 1..=columns {
        let row = taken_by[column];
        if row != 0 && weights[row - 1][column - 1] > 0.0 {
            given[row - 1] = Some(column - 1);
        }
    }
    given
}

/// The longest common subsequence by weight: pairs of row and column, both rising, of the greatest total weight. Pairs of
/// weight 0 are left out.
pub(crate) fn align(weights: &[Vec<f64>]) -> Vec<Option<usize>> {
    let rows = weights.len();
    let columns = weights.first().map_or(0, Vec::len);
    let mut best = vec![vec![0.0_f64; columns + 1]; rows + 1];
    for row in 1..=rows {
        for column in 1..=columns {
            let with = best[row - 1][column - 1] + weights[row - 1][column - 1];
            best[row][column] = with.max(best[row - 1][column]).max(best[row][column - 1]);
        }
    }
    let mut given = vec![None; rows];
    let (mut row, mut column) = (rows, columns);
    while row > 0 && column > 0 {
        let here = best[row][column];
        if here <= best[row - 1][column] {
            row -= 1;
        } else if here <= best[row][column - 1] {
            column -= 1;
        } else {
            given[row - 1] = Some(column - 1);
            (row, column) = (row - 1, column - 1);
        }
    }
    given
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proptesting;
    use proptest::prelude::*;

    fn total(weights: &[Vec<f64>], given: &[Option<usize>]) -> f64 {
        let pairs = given.iter().enumerate();
        pairs
            .filter_map(|(row, column)| Some(weights[row][(*column)?]))
            .sum()
    }

    /// The greatest total, by trying everything.
    fn greatest(weights: &[Vec<f64>], taken: &mut Vec<bool>) -> f64 {
        let Some((first, rest)) = weights.split_first() else {
            return 0.0;
        };
        let mut best = greatest(rest, taken);
        for column in 0..first.len() {
            if !taken[column] {
                taken[column] = true;
                best = best.max(first[column] + greatest(rest, taken));
                taken[column] = false;
            }
        }
        best
    }

    /// What DeepEval does: each row in turn takes the best column that is left.
    fn greedy(weights: &[Vec<f64>]) -> f64 {
        let mut taken = vec![false; weights.first().map_or(0, Vec::len)];
        let mut sum = 0.0;
        for row in weights {
            let mut best = (0.0, None);
            for (column, weight) in row.iter().enumerate() {
                if !taken[column] && *weight > best.0 {
                    best = (*weight, Some(column));
                }
            }
            if let (weight, Some(column)) = best {
                sum += weight;
                taken[column] = true;
            }
        }
        sum
    }

    #[test]
    fn a_row_leaves_its_favourite_where_that_helps_more() {
        assert_eq!(
            assign(&[vec![0.5, 0.4], vec![1.0, 0.0]]),
            [Some(1), Some(0)]
        );
        assert_eq!(assign(&[vec![0.5], vec![1.0]]), [None, Some(0)]);
        assert_eq!(assign(&[vec![0.0, 0.0]]), [None]);
        assert_eq!(assign(&[vec![], vec![]]), [None, None]);
        assert!(assign(&[]).is_empty());
        assert_eq!(align(&[vec![0.0, 1.0], vec![1.0, 0.0]]), [Some(1), None]);
        assert_eq!(align(&[vec![0.5, 1.0]]), [Some(1)]);
    }

    fn table() -> impl Strategy<Value = Vec<Vec<f64>>> {
        (0..6usize, 0..6usize).prop_flat_map(|(rows, columns)| {
            let weight = prop_oneof![Just(0.0), Just(1.0), 0.0..1.0f64];
            prop::collection::vec(prop::collection::vec(weight, columns), rows)
        })
    }

    proptest! {
        #![proptest_config(proptesting::config())]

        #[test]
        fn no_assignment_is_better_and_greedy_is_never(weights in table()) {
            let given = assign(&weights);
            let mut columns: Vec<usize> = given.iter().flatten().copied().collect();
            columns.sort_unstable();
            let count = columns.len();
            columns.dedup();
            prop_assert_eq!(columns.len(), count);
            let best = greatest(&weights, &mut vec![false; weights.first().map_or(0, Vec::len)]);
            prop_assert!((total(&weights, &given) - best).abs() < 1e-9);
            prop_assert!(total(&weights, &given) >= greedy(&weights) - 1e-9);
        }

        #[test]
        fn a_subsequence_rises_and_is_never_better_than_an_assignment(weights in table()) {
            let given = align(&weights);
            let columns: Vec<usize> = given.iter().flatten().copied().collect();
            prop_assert!(columns.windows(2).all(|pair| pair[0] < pair[1]));
            prop_assert!(total(&weights, &given) <= total(&weights, &assign(&weights)) + 1e-9);
        }

        #[test]
        fn one_more_row_never_lowers_a_subsequence(weights in table(), row in 0..6usize) {
            prop_assume!(!weights.is_empty());
            let mut fewer = weights.clone();
            fewer.remove(row % weights.len());
            prop_assert!(total(&fewer, &align(&fewer)) <= total(&weights, &align(&weights)) + 1e-9);
        }
    }
}
