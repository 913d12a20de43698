//! The usual subset of JSON Schema, checked by hand: one crate less, and messages that name the place.

use crate::json;
use regex::Regex;
use serde_json::{Map, Number, Value};
use std::cmp::Ordering;

/// Keywords that only describe. `format` is one by the standard's default: it is not checked.
const ANNOTATIONS: &[&str] = &[
    "$schema",
    "$id",
    "$comment",
    "$anchor",
    "title",
    "description",
    "default",
    "examples",
    "deprecated",
    "readOnly",
    "writeOnly",
    "format",
    "$defs",
    "definitions",
    "discriminator",
];

/// Keywords that constrain, and are checked.
const CHECKED: &[&str] = &[
    "type",
    "properties",
    "required",
    "additionalProperties",
    "items",
    "enum",
    "const",
    "minimum",
    "maximum",
    "exclusiveMinimum",
    "exclusiveMaximum",
    "minLength",
    "maxLength",
    "pattern",
    "minItems",
    "maxItems",
    "anyOf",
    "oneOf",
    "allOf",
    "$ref",
    "prefixItems",
    "uniqueItems",
    "multipleOf",
    "minProperties",
    "maxProperties",
    "patternProperties",
    "propertyNames",
    "not",
    "if",
    "then",
    "else",
    "dependentRequired",
];

const TYPES: &[&str] = &[
    "null", "boolean", "integer", "number", "string", "array", "object",
];

/// How deep references may lead before the schema is taken to lead nowhere.
const DEEPEST: usize = 200;

/// A schema whose keywords are all known.
#[derive(Debug, Clone)]
pub(crate) struct JsonSchema(Value);

impl JsonSchema {
    /// The schema, or what is wrong with it and where.
    pub(crate) fn new(schema: Value) -> Result<Self, String> {
        validate(&schema, &schema, "#")?;
        Ok(Self(schema))
    }

    /// `Ok`, or the first place that does not fit and why.
    pub(crate) fn check(&self, value: &Value) -> Result<(), String> {
        check(&self.0, &self.0, value, "$", 0)
    }
}

fn validate(root: &Value, schema: &Value, at: &str) -> Result<(), String> {
    let keywords = match schema {
        Value::Bool(_) => return Ok(()),
        Value::Object(keywords) => keywords,
        other => {
            return Err(format!(
                "`{at}` must be an object or a boolean, but it is {other}"
            ));
        }
    };
    for (keyword, value) in keywords {
        let here = format!("{at}/{keyword}");
        let wrong = |what: &str| Err(format!("`{here}` must be {what}, but it is {value}"));
        match keyword.as_str() {
            "type" => {
                let names = value
                    .as_array()
                    .map_or_else(|| vec![value], |names| names.iter().collect());
                if names.is_empty()
                    || !names
                        .iter()
                        .all(|name| name.as_str().is_some_and(|name| TYPES.contains(&name)))
                {
                    return wrong(&format!("one of {}", TYPES.join(", ")));
                }
            }
            "properties" | "patternProperties" | "$defs" | "definitions" => {
                let Some(schemas) = value.as_object() else {
                    return wrong("an object of schemas");
                };
                for (name, schema) in schemas {
                    if keyword == "patternProperties" {
                        Regex::new(name).map_err(|error| {
                            format!("`{here}/{name}` is no regular expression: {error}")
                        })?;
                    }
                    validate(root, schema, &format!("{here}/{name}"))?;
                }
            }
            "required"
                if !value
                    .as_array()
                    .is_some_and(|names| names.iter().all(Value::is_string)) =>
            {
                return wrong("a list of names");
            }
            "enum" if !value.is_array() => return wrong("a list"),
            "additionalProperties" | "items" | "propertyNames" | "not" | "if" | "then" | "else" => {
                validate(root, value, &here)?;
            }
            "anyOf" | "oneOf" | "allOf" | "prefixItems" => {
                let Some(schemas) = value.as_array().filter(|schemas| !schemas.is_empty()) else {
                    return wrong("a list of schemas");
                };
                for (i, schema) in schemas.iter().enumerate() {
                    validate(root, schema, &format!("{here}/{i}"))?;
                }
            }
            "minimum" | "maximum" | "exclusiveMinimum" | "exclusiveMaximum"
                if !value.is_number() =>
            {
                return wrong("a number");
            }
            "minLength" | "maxLength" | "minItems" | "maxItems" | "minProperties"
            | "maxProperties"
                if !value.is_u64() =>
            {
                return wrong("a whole number");
            }
            "multipleOf" if !value.as_f64().is_some_and(|step| step > 0.0) => {
                return wrong("a number above 0");
            }
            "uniqueItems" if !value.is_boolean() => return wrong("true or false"),
            "dependentRequired"
                if !value.as_object().is_some_and(|lists| {
                    lists.values().all(|names| {
                        names
                            .as_array()
                            .is_some_and(|names| names.iter().all(Value::is_string))
                    })
                }) =>
            {
                return wrong("an object of lists of names");
            }
            "pattern" => {
                let Some(pattern) = value.as_str() else {
                    return wrong("a regular expression");
                };
                Regex::new(pattern)
                    .map_err(|error| format!("`{here}` is no regular expression: {error}"))?;
            }
            "$ref"
                if value
                    .as_str()
                    .and_then(|path| resolve(root, path))
                    .is_none() =>
            {
                return wrong("a place in this schema, such as `#/$defs/Item`");
            }
            known if CHECKED.contains(&known) || ANNOTATIONS.contains(&known) => {}
            _ => {
                return Err(format!(
                    "`{here}` is a keyword that is not checked; use {}",
                    CHECKED.join(", ")
                ));
            }
        }
    }
    Ok(())
}

/// The schema that a `$ref` names; only references into the schema itself.
fn resolve<'a>(root: &'a Value, reference: &str) -> Option<&'a Value> {
    root.pointer(reference.strip_prefix('#')?)
}

fn check(
    root: &Value,
    schema: &Value,
    value: &Value,
    at: &str,
    depth: usize,
) -> Result<(), String> {
    let keywords = match schema {
        Value::Object(keywords) => keywords,
        Value::Bool(false) => return Err(format!("`{at}` must not be there")),
        _ => return Ok(()),
    };
    if depth > DEEPEST {
        return Err(format!(
            "`{at}` is nested too deeply, or a `$ref` of the schema leads to itself"
        ));
    }
    if let Some(target) = text(keywords, "$ref").and_then(|path| resolve(root, path)) {
        check(root, target, value, at, depth + 1)?;
    }
    check_value(keywords, value, at)?;
    let alternatives = |keyword| keywords.get(keyword).and_then(Value::as_array);
    let results = |schemas: &Vec<Value>| {
        schemas
            .iter()
            .map(|schema| check(root, schema, value, at, depth + 1))
            .collect::<Vec<_>>()
    };
    for schema in alternatives("allOf").into_iter().flatten() {
        check(root, schema, value, at, depth + 1)?;
    }
    if let Some(results) = alternatives("anyOf").map(results)
        && results.iter().all(Result::is_err)
    {
        return Err(no_alternative(at, results));
    }
    if let Some(results) = alternatives("oneOf").map(results) {
        match results.iter().filter(|result| result.is_ok()).count() {
            0 => return Err(no_alternative(at, results)),
            1 => {}
            fitting => {
                return Err(format!(
                    "`{at}` fits {fitting} of the alternatives, not just one"
                ));
            }
        }
    }
    if keywords
        .get("not")
        .is_some_and(|schema| check(root, schema, value, at, depth + 1).is_ok())
    {
        return Err(format!("`{at}` is {}, which `not` forbids", shown(value)));
    }
    if let Some(condition) = keywords.get("if") {
        let met = check(root, condition, value, at, depth + 1).is_ok();
        if let Some(schema) = keywords.get(if met { "then" } else { "else" }) {
            check(root, schema, value, at, depth + 1)?;
        }
    }
    match value {
        Value::Object(object) => check_object(root, keywords, object, at, depth),
        Value::Array(items) => check_array(root, keywords, items, at, depth),
        _ => Ok(()),
    }
}

/// What does not look into objects and arrays.
fn check_value(keywords: &Map<String, Value>, value: &Value, at: &str) -> Result<(), String> {
    if let Some(types) = keywords.get("type") {
        let names: Vec<&str> = types.as_array().map_or_else(
            || types.as_str().into_iter().collect(),
            |names| names.iter().filter_map(Value::as_str).collect(),
        );
        if !names.iter().any(|name| is(value, name)) {
            return Err(format!(
                "`{at}` is {}, not {}",
                shown(value),
                names.join(" or ")
            ));
        }
    }
    if let Some(allowed) = keywords.get("enum").and_then(Value::as_array)
        && !allowed.iter().any(|one| equal(one, value))
    {
        let allowed = allowed
            .iter()
            .map(Value::to_string)
            .collect::<Vec<_>>()
            .join(", ");
        return Err(format!("`{at}` is {}, not one of {allowed}", shown(value)));
    }
    if let Some(only) = keywords.get("const").filter(|only| !equal(only, value)) {
        return Err(format!("`{at}` is {}, not {only}", shown(value)));
    }
    if let Value::Number(number) = value {
        check_number(keywords, number, at)?;
    }
    if let Some(string) = value.as_str() {
        check_count(
            keywords,
            ("minLength", "maxLength"),
            string.chars().count(),
            "characters",
            at,
        )?;
        if let Some(pattern) = text(keywords, "pattern")
            && !Regex::new(pattern).is_ok_and(|regex| regex.is_match(string))
        {
            return Err(format!(
                "`{at}` is {}, which does not match `{pattern}`",
                shown(value)
            ));
        }
    }
    Ok(())
}

fn check_number(keywords: &Map<String, Value>, number: &Number, at: &str) -> Result<(), String> {
    let bounds = [
        ("minimum", "at least"),
        ("maximum", "at most"),
        ("exclusiveMinimum", "more than"),
        ("exclusiveMaximum", "less than"),
    ];
    for (keyword, words) in bounds {
        let Some(Value::Number(bound)) = keywords.get(keyword) else {
            continue;
        };
        let fits = compare(number, bound).is_some_and(|order| match keyword {
            "minimum" => order.is_ge(),
            "maximum" => order.is_le(),
            "exclusiveMinimum" => order.is_gt(),
            _ => order.is_lt(),
        });
        if !fits {
            return Err(format!("`{at}` is {number}, not {words} {bound}"));
        }
    }
    match keywords.get("multipleOf") {
        Some(Value::Number(step)) if !is_multiple(number, step) => {
            Err(format!("`{at}` is {number}, not a multiple of {step}"))
        }
        _ => Ok(()),
    }
}

/// Integers to their last digit; as floats only where one of them is one.
fn compare(one: &Number, other: &Number) -> Option<Ordering> {
    match (one.as_i128(), other.as_i128()) {
        (Some(one), Some(other)) => Some(one.cmp(&other)),
        _ => one.as_f64()?.partial_cmp(&other.as_f64()?),
    }
}

fn is_multiple(number: &Number, step: &Number) -> bool {
    match (number.as_i128(), step.as_i128()) {
        (Some(number), Some(step)) => number % step == 0,
        // 0.3 is a multiple of 0.1, but for what is lost in binary.
        _ => number
            .as_f64()
            .zip(step.as_f64())
            .is_some_and(|(number, step)| {
                let times = number / step;
                (times - times.round()).abs() <= 4.0 * f64::EPSILON * times.abs()
            }),
    }
}

fn check_object(
    root: &Value,
    keywords: &Map<String, Value>,
    object: &Map<String, Value>,
    at: &str,
    depth: usize,
) -> Result<(), String> {
    let required = keywords
        .get("required")
        .and_then(Value::as_array)
        .into_iter()
        .flatten();
    if let Some(missing) = required
        .filter_map(Value::as_str)
        .find(|name| !object.contains_key(*name))
    {
        return Err(format!("`{at}` has no `{missing}`"));
    }
    let bounds = ("minProperties", "maxProperties");
    check_count(keywords, bounds, object.len(), "properties", at)?;
    let dependent = keywords.get("dependentRequired").and_then(Value::as_object);
    for (name, needed) in dependent.into_iter().flatten() {
        let mut needed = needed
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(Value::as_str);
        if let Some(missing) = needed.find(|other| !object.contains_key(*other))
            && object.contains_key(name)
        {
            return Err(format!("`{at}` has `{name}`, but no `{missing}`"));
        }
    }
    let properties = keywords.get("properties").and_then(Value::as_object);
    let patterns: Vec<(Regex, &Value)> = keywords
        .get("patternProperties")
        .and_then(Value::as_object)
        .into_iter()
        .flatten()
        .filter_map(|(pattern, schema)| Some((Regex::new(pattern).ok()?, schema)))
        .collect();
    for (name, value) in object {
        if let Some(schema) = keywords.get("propertyNames") {
            let key = Value::from(name.as_str());
            check(root, schema, &key, at, depth + 1)
                .map_err(|problem| format!("`{at}` must not have `{name}`: {problem}"))?;
        }
        let here = if name.chars().all(|c| c.is_alphanumeric() || c == '_') {
            format!("{at}.{name}")
        } else {
            format!("{at}[{name:?}]")
        };
        let own = properties.and_then(|properties| properties.get(name));
        let matching = patterns
            .iter()
            .filter(|(pattern, _)| pattern.is_match(name));
        let known: Vec<&Value> = own
            .into_iter()
            .chain(matching.map(|(_, schema)| *schema))
            .collect();
        match keywords.get("additionalProperties") {
            Some(Value::Bool(false)) if known.is_empty() => {
                return Err(format!(
                    "`{at}` has `{name}`, which the schema does not know"
                ));
            }
            Some(schema) if known.is_empty() => check(root, schema, value, &here, depth + 1)?,
            _ => {}
        }
        for schema in known {
            check(root, schema, value, &here, depth + 1)?;
        }
    }
    Ok(())
}

fn check_array(
    root: &Value,
    keywords: &Map<String, Value>,
    items: &[Value],
    at: &str,
    depth: usize,
) -> Result<(), String> {
    check_count(keywords, ("minItems", "maxItems"), items.len(), "items", at)?;
    if keywords.get("uniqueItems") == Some(&Value::Bool(true)) {
        for (i, item) in items.iter().enumerate() {
            if let Some(first) = items[..i].iter().position(|other| equal(other, item)) {
                return Err(format!("`{at}[{i}]` is the same as `{at}[{first}]`"));
            }
        }
    }
    let prefix = keywords.get("prefixItems").and_then(Value::as_array);
    let prefix: &[Value] = prefix.map_or(&[], Vec::as_slice);
    for (i, item) in items.iter().enumerate() {
        if let Some(schema) = prefix.get(i).or_else(|| keywords.get("items")) {
            check(root, schema, item, &format!("{at}[{i}]"), depth + 1)?;
        }
    }
    Ok(())
}

fn check_count(
    keywords: &Map<String, Value>,
    (least, most): (&str, &str),
    count: usize,
    unit: &str,
    at: &str,
) -> Result<(), String> {
    let bound = |keyword: &str| keywords.get(keyword).and_then(Value::as_u64);
    let count = count as u64;
    if let Some(least) = bound(least).filter(|least| count < *least) {
        return Err(format!("`{at}` has {count} {unit}, not at least {least}"));
    }
    if let Some(most) = bound(most).filter(|most| count > *most) {
        return Err(format!("`{at}` has {count} {unit}, not at most {most}"));
    }
    Ok(())
}

/// The alternative that came furthest tells most: its complaint is about the deepest place.
fn no_alternative(at: &str, results: Vec<Result<(), String>>) -> String {
    let deepest = results
        .into_iter()
        .filter_map(Result::err)
        .max_by_key(|problem| problem.split('`').nth(1).map_or(0, str::len));
    format!(
        "`{at}` fits none of the alternatives; the nearest: {}",
        deepest.unwrap_or_default()
    )
}

fn text<'a>(keywords: &'a Map<String, Value>, keyword: &str) -> Option<&'a str> {
    keywords.get(keyword).and_then(Value::as_str)
}

fn is(value: &Value, name: &str) -> bool {
    match name {
        "null" => value.is_null(),
        "boolean" => value.is_boolean(),
        "integer" => {
            value.is_i64()
                || value.is_u64()
                || value.as_f64().is_some_and(|number| number.fract() == 0.0)
        }
        "number" => value.is_number(),
        "string" => value.is_string(),
        "array" => value.is_array(),
        _ => value.is_object(),
    }
}

/// Equal as JSON Schema says: `1` and `1.0` are one number, at any depth.
fn equal(one: &Value, other: &Value) -> bool {
    match (one, other) {
        (Value::Number(one), Value::Number(other)) => json::same_number(one, other),
        (Value::Array(one), Value::Array(other)) => {
            one.len() == other.len() && one.iter().zip(other).all(|(one, other)| equal(one, other))
        }
        (Value::Object(one), Value::Object(other)) => {
            one.len() == other.len()
                && one
                    .iter()
                    .all(|(key, value)| other.get(key).is_some_and(|other| equal(value, other)))
        }
        _ => one == other,
    }
}

fn shown(value: &Value) -> String {
    match value {
        Value::Object(_) => "an object".to_string(),
        Value::Array(_) => "an array".to_string(),
        other => crate::reason::cut(&other.to_string(), 60),
    }
}

#[cfg(test)]
#[path = "json_schema_tests.rs"]
mod tests;
