//! A shim before libtest-mimic's command line: what libtest understands and mimic does not.

use libtest_mimic::Arguments;

/// The command line as the harness uses it.
#[derive(Debug)]
pub(super) struct Args {
    /// What mimic is given; its own `filter` and `test_threads` are decided by the harness.
    pub(super) mimic: Arguments,
    /// All filters; a test is selected by any of them.
    pub(super) filters: Vec<String>,
    /// An explicit number of cases in flight: `--test-threads`, or `RUST_TEST_THREADS`.
    pub(super) threads: Option<usize>,
}

/// The options that take a value in the next argument.
const WITH_VALUE: [&str; 6] = [
    "--test-threads",
    "--logfile",
    "--skip",
    "--color",
    "--format",
    "-Z",
];

/// Options of libtest that change nothing here.
const WITHOUT_EFFECT: [&str; 4] = [
    "--shuffle",
    "--shuffle-seed",
    "--report-time",
    "--ensure-time",
];

impl Args {
    /// Reads the arguments after the program's name. `Err` is a usage error.
    pub(super) fn parse(
        raw: impl IntoIterator<Item = String>,
        threads_var: Option<&str>,
    ) -> Result<Self, String> {
        let mut options = Vec::new();
        let mut filters = Vec::new();
        let mut raw = raw.into_iter();
        while let Some(arg) = raw.next() {
            if arg == "--" {
                filters.extend(raw.by_ref());
            } else if arg == "--shuffle-seed" {
                raw.next();
            } else if WITHOUT_EFFECT
                .iter()
                .any(|known| arg == *known || arg.starts_with(&format!("{known}=")))
            {
                // Cases run at once and take their own time: nothing to shuffle, and every report has times.
            } else if arg == "--no-capture" {
                options.push("--nocapture".to_string());
            } else if WITH_VALUE.contains(&arg.as_str()) {
                options.push(arg);
                options.extend(raw.next());
            } else if arg.starts_with('-') && arg != "-" {
                options.push(arg);
            } else {
                filters.push(arg);
            }
        }
        if options.iter().any(|option| option.starts_with("--format")) {
            // Libtest lets the format win; mimic takes both for a mistake.
            options.retain(|option| option != "-q" && option != "--quiet");
        }
        let mimic = Arguments::from_iter(std::iter::once("llmtest".to_string()).chain(options));
        let var = threads_var
            .map(|text| {
                text.parse::<usize>().map_err(|_| {
                    format!("RUST_TEST_THREADS is `{text}`, should be a positive integer")
                })
            })
            .transpose()?;
        let threads = mimic.test_threads.or(var);
        if threads == Some(0) {
            return Err("argument for --test-threads must not be 0".to_string());
        }
        Ok(Self {
            mimic,
            filters,
            threads,
        })
    }

    /// Whether the command line chooses this name. `path` is the test's own: by its exact path a dataset's rows are all
    /// chosen, since that is what an IDE sends.
    pub(super) fn selects(&self, name: &str, path: &str) -> bool {
        let exact = self.mimic.exact;
        let matches = |pattern: &String| name == pattern || (!exact && name.contains(pattern));
        let chosen = self.filters.is_empty()
            || self.filters.iter().any(matches)
            || (exact && self.filters.iter().any(|filter| filter == path));
        chosen && !self.mimic.skip.iter().any(matches)
    }

    /// What of the command line leaves tests out.
    pub(super) fn narrowing(&self) -> Vec<String> {
        let mut words = self.filters.clone();
        words.extend(self.mimic.skip.iter().map(|skip| format!("--skip={skip}")));
        words.extend((self.mimic.exact && !words.is_empty()).then(|| "--exact".to_string()));
        words.extend(self.mimic.ignored.then(|| "--ignored".to_string()));
        words
    }

    /// Whether rows of the test at `path` may be chosen; with `--exact` only named datasets are read.
    pub(super) fn may_select_rows_of(&self, path: &str) -> bool {
        if !self.mimic.exact || self.filters.is_empty() {
            return true;
        }
        self.filters.iter().any(|filter| {
            filter == path
                || filter
                    .strip_prefix(path)
                    .is_some_and(|rest| rest.starts_with("::"))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(args: &[&str]) -> Args {
        Args::parse(args.iter().map(ToString::to_string), None).unwrap()
    }

    #[test]
    fn several_filters_choose_any_of_them() {
        let args = parse(&[
            "one",
            "--no-capture",
            "--skip",
            "bad",
            "two",
            "--test-threads=3",
        ]);
        assert_eq!(args.filters, ["one", "two"]);
        assert_eq!(args.threads, Some(3));
        let selects = |name| args.selects(name, name);
        assert!(selects("a::two") && selects("one") && !selects("three") && !selects("one_bad"));
    }

    #[test]
    fn exact_names_read_only_their_own_dataset() {
        let args = parse(&["--exact", "refunds::late"]);
        assert!(
            args.may_select_rows_of("refunds")
                && !args.may_select_rows_of("refund")
                && !args.may_select_rows_of("other")
        );
        assert!(parse(&["late"]).may_select_rows_of("other"));
    }

    #[test]
    fn the_exact_path_of_a_dataset_chooses_its_rows() {
        let args = parse(&["--exact", "rows", "--skip", "rows::second"]);
        assert!(args.selects("rows::first", "rows"));
        assert!(!args.selects("rows::second", "rows") && !args.selects("other::first", "other"));
    }

    #[test]
    fn what_means_nothing_here_is_taken_and_dropped() {
        let args = parse(&[
            "--shuffle",
            "--shuffle-seed",
            "7",
            "--report-time=plain",
            "-q",
            "--format",
            "json",
            "a",
        ]);
        assert_eq!(args.filters, ["a"]);
        assert!(!args.mimic.quiet);
    }

    #[test]
    fn the_number_of_threads_must_make_sense() {
        assert!(Args::parse(["--test-threads".to_string(), "0".to_string()], None).is_err());
        assert!(Args::parse([], Some("many")).is_err());
        assert_eq!(Args::parse([], Some("4")).unwrap().threads, Some(4));
    }
}
