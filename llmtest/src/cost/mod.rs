//! What calls cost: prices, the sums of a run, an estimate before it, and budgets.
//!
//! Money is counted in whole millionths of a millionth of a dollar, so that sums are exact and no order changes them.

mod budget;
mod estimate;
mod ledger;
mod limits;
mod money;
mod prices;
mod report;
mod spending;
mod till;
pub(crate) mod view;

pub(crate) use budget::{Budget, grouped};
pub(crate) use estimate::{Known, estimate};
pub(crate) use limits::CHANGES;
pub use limits::{LimitChange, LimitReason, LimitReport};
#[cfg(feature = "cli")]
pub(crate) use money::Money;
pub(crate) use prices::{OwnPrice, Prices};
pub use report::{BudgetReport, EstimateReport, RunCost};
pub(crate) use report::{CostSums, ProcessCost};
pub use spending::Spending;
pub(crate) use spending::{of_log, of_spans};
pub(crate) use till::{Till, about_tokens};
pub(crate) use view::CostView;
