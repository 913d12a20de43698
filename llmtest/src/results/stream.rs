//! Reading a report case by case: the texts of one case are held at a time.

use super::OPENED;
use super::record::{RunReport, TestRecord};
use crate::Result;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;

/// What consumes a report, one case after the other.
pub(crate) trait Cases {
    /// Takes the next case.
    fn add(&mut self, case: &TestRecord);
}

/// Reads the report of a run, and gives its cases to `cases` one by one. What stands around them is returned, without cases.
/// A report that was laid out by another tool is read at once. Errors name the file.
pub(crate) fn read(path: &Path, cases: &mut dyn Cases) -> Result<RunReport> {
    let file = File::open(path).map_err(|error| {
        format!(
            "cannot read {}: {error}\nhint: run the tests, or name a run that is recorded",
            path.display()
        )
    })?;
    from_lines(BufReader::with_capacity(256 * 1024, file), cases)
        .map_err(|error| format!("{}: {error}", path.display()).into())
}

fn from_lines(mut file: impl BufRead, cases: &mut dyn Cases) -> Result<RunReport> {
    let mut around = Vec::new();
    file.read_until(b'\n', &mut around)?;
    if !around.trim_ascii_end().ends_with(OPENED) {
        file.read_to_end(&mut around)?;
        let mut report = RunReport::from_json(std::str::from_utf8(&around)?)?;
        report.tests.drain(..).for_each(|case| cases.add(&case));
        return Ok(report);
    }
    // Another format is refused before a case of it is read.
    let head = [around.trim_ascii_end(), b"]}"].concat();
    RunReport::from_json(std::str::from_utf8(&head)?)?;
    let (mut line, mut number) = (Vec::new(), 1);
    loop {
        line.clear();
        number += 1;
        if file.read_until(b'\n', &mut line)? == 0 {
            return Err(
                "the report ends in the middle of its cases\nhint: run the tests again".into(),
            );
        }
        let text = line.trim_ascii();
        if text.first() == Some(&b']') {
            around.extend_from_slice(text);
            file.read_to_end(&mut around)?;
            return RunReport::from_json(std::str::from_utf8(&around)?);
        }
        let text = text.strip_suffix(b",").unwrap_or(text);
        let case: TestRecord =
            serde_json::from_slice(text).map_err(|error| format!("line {number}: {error}"))?;
        cases.add(&case);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Names(Vec<String>);

    impl Cases for Names {
        fn add(&mut self, case: &TestRecord) {
            self.0.push(case.name());
        }
    }

    fn names(text: &str) -> Result<(Vec<String>, RunReport)> {
        let mut names = Names(Vec::new());
        let report = from_lines(text.as_bytes(), &mut names)?;
        Ok((names.0, report))
    }

    const CASE: &str = r#"{"test":"a","binary":"b","file":"f.rs","line":1,"outcome":"passed","passes_needed":1,"attempt":1,"duration":0.1,"trials":[]}"#;

    #[test]
    fn a_report_is_read_line_by_line_and_one_of_another_layout_at_once() {
        let lines = format!(
            "{{\"format\":1,\"run\":{{\"id\":\"r\"}},\"tests\":[\n{CASE},\n{CASE}\n],\"groups\":[]}}\n"
        );
        let value: serde_json::Value = serde_json::from_str(&lines).unwrap();
        let pretty = serde_json::to_string_pretty(&value).unwrap();
        for text in [lines, pretty] {
            let (names, report) = names(&text).unwrap();
            assert_eq!(names, ["a", "a"]);
            assert_eq!((report.run.id.as_str(), report.tests.len()), ("r", 0));
        }
    }

    #[test]
    fn a_report_that_was_cut_off_or_is_of_another_format_is_refused() {
        let cut = format!("{{\"format\":1,\"run\":{{}},\"tests\":[\n{CASE},\n");
        assert!(
            names(&cut)
                .unwrap_err()
                .to_string()
                .contains("ends in the middle")
        );
        let broken = "{\"format\":1,\"run\":{},\"tests\":[\n{\"test\":\n]}";
        assert!(names(broken).unwrap_err().to_string().contains("line 2"));
        let other = "{\"format\":9,\"run\":{},\"tests\":[\n{}\n]}";
        assert!(names(other).unwrap_err().to_string().contains("format 9"));
    }
}
