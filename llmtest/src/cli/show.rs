//! `cargo llmtest show`: a run that was recorded, as a terminal shows it.

use super::project::Project;
use super::report::Terminal;
use super::{Failure, Output, Place};
use crate::results::stream;
use crate::runs::find;
use crate::text::clean_name;
use clap::Args;

#[derive(Args)]
#[command(
    after_help = "Examples:\n  cargo llmtest show                       what did not pass in the last run, and the table\n  \
                  cargo llmtest show last~1 refunds::late  one case of the run before, whether it passed or not"
)]
pub(super) struct ShowArgs {
    /// `last`, `last~1`, an id or the start of one, or a path
    #[arg(default_value = "last")]
    run: String,
    /// The cases whose name has this in it
    case: Option<String>,
    /// Cases that passed, too
    #[arg(long)]
    all: bool,
}

pub(super) fn show(args: &ShowArgs, place: &Place) -> Result<Output, Failure> {
    let project = Project::find(place)?;
    let run = find(&project.roots, &args.run)?;
    let mut terminal = Terminal::new(args.case.clone(), args.all);
    let report = stream::read(&run, &mut terminal)?;
    if let Some(name) = &args.case
        && terminal.is_empty()
    {
        return Err(format!(
            "no case of the run `{}` has `{}` in its name\nhint: `cargo llmtest show {} --all` shows every one",
            clean_name(&report.run.id),
            clean_name(name),
            clean_name(&args.run)
        )
        .into());
    }
    let text = terminal.finish(&report);
    Ok(Output::well(
        project.config.redactor.scrub(&text).into_owned(),
    ))
}
