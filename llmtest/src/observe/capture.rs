//! Turning any value into JSON without a bound on the function that holds it.
//!
//! A method call looks at `&&&Captured(&value)` first, and dereferences it once for each trait that does not apply: the
//! traits below are implemented on ever fewer references, so the first that holds is the best there is.

use std::any::type_name;
use std::fmt::{Debug, Display};

use serde::Serialize;
use serde_json::Value;

/// A value to capture.
pub struct Captured<'a, T: ?Sized>(pub &'a T);

/// Values that can be serialized.
pub trait ValueViaSerialize {
    /// The value as JSON.
    fn __llmtest_value(&self) -> Value;
}

impl<T: Serialize + ?Sized> ValueViaSerialize for &&Captured<'_, T> {
    fn __llmtest_value(&self) -> Value {
        to_json(self.0)
    }
}

/// Values that can be printed for debugging.
pub trait ValueViaDebug {
    /// The value's debug text.
    fn __llmtest_value(&self) -> Value;
}

impl<T: Debug + ?Sized> ValueViaDebug for &Captured<'_, T> {
    fn __llmtest_value(&self) -> Value {
        Value::String(format!("{:?}", self.0))
    }
}

/// All other values.
pub trait ValueViaName {
    /// The name of the value's type.
    fn __llmtest_value(&self) -> Value;
}

impl<T: ?Sized> ValueViaName for Captured<'_, T> {
    fn __llmtest_value(&self) -> Value {
        Value::String(format!("<{}>", type_name::<T>()))
    }
}

/// Errors that can be shown.
pub trait MessageViaDisplay {
    /// The error's text.
    fn __llmtest_message(&self) -> String;
}

impl<T: Display + ?Sized> MessageViaDisplay for &&Captured<'_, T> {
    fn __llmtest_message(&self) -> String {
        self.0.to_string()
    }
}

/// Errors that can be printed for debugging.
pub trait MessageViaDebug {
    /// The error's debug text.
    fn __llmtest_message(&self) -> String;
}

impl<T: Debug + ?Sized> MessageViaDebug for &Captured<'_, T> {
    fn __llmtest_message(&self) -> String {
        format!("{:?}", self.0)
    }
}

/// All other errors.
pub trait MessageViaName {
    /// The name of the error's type.
    fn __llmtest_message(&self) -> String;
}

impl<T: ?Sized> MessageViaName for Captured<'_, T> {
    fn __llmtest_message(&self) -> String {
        type_name::<T>().to_string()
    }
}

/// What stands for a redacted value.
pub fn redacted() -> Value {
    Value::String("[redacted]".to_string())
}

/// A `Serialize` that fails, as a map with keys that are no strings does, still leaves a trace.
pub(super) fn to_json<T: Serialize + ?Sized>(value: &T) -> Value {
    serde_json::to_value(value)
        .unwrap_or_else(|error| Value::String(format!("<{}: {error}>", type_name::<T>())))
}
