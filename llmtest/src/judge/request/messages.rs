//! Requests to Anthropic's messages.

use super::super::dialect::{Dialect, Format};
use super::{apart, turns};
use llmtest_metrics::Prompt;
use serde_json::{Map, Value, json};

/// What a schema may say that the enforced form cannot: the reply is checked against the whole schema all the same.
const LIMITS: [&str; 9] = [
    "minimum",
    "maximum",
    "exclusiveMinimum",
    "exclusiveMaximum",
    "multipleOf",
    "minLength",
    "maxLength",
    "minItems",
    "maxItems",
];

/// The request's body, and the tool that the model has to call where the form of a reply is enforced that way: the models
/// before structured outputs know no other.
pub(super) fn body(prompt: &Prompt, model: &str, dialect: Dialect) -> (Value, Option<String>) {
    let (system, messages) = apart(prompt);
    let messages = turns(messages, super::images::messages);
    // The limit is not optional here.
    let mut body = json!({ "model": model, "messages": messages, "max_tokens": prompt.max_tokens });
    if !system.is_empty() {
        body["system"] = json!(system);
    }
    if !dialect.no_temperature {
        body["temperature"] = super::temperature(prompt);
    }
    // Both take an object.
    let schema = prompt
        .schema
        .as_ref()
        .filter(|schema| schema.schema["type"] == "object");
    match (schema, dialect.format) {
        (Some(schema), Format::Schema) => {
            body["output_config"] = json!({ "format": {
                "type": "json_schema", "schema": without_limits(&schema.schema),
            } });
            (body, None)
        }
        (Some(schema), Format::Tool) => {
            body["tools"] = json!([{
                "name": schema.name,
                "description": "Takes your answer.",
                "input_schema": schema.schema,
            }]);
            body["tool_choice"] = json!({ "type": "tool", "name": schema.name });
            (body, Some(schema.name.clone()))
        }
        _ => (body, None),
    }
}

/// The schema without its limits of numbers and lengths.
fn without_limits(schema: &Value) -> Value {
    let Some(members) = schema.as_object() else {
        return schema.clone();
    };
    let of_each = |members: &Map<String, Value>| -> Value {
        let each = |(name, schema): (&String, &Value)| (name.clone(), without_limits(schema));
        Value::Object(members.iter().map(each).collect())
    };
    let kept = members
        .iter()
        .filter(|(name, _)| !LIMITS.contains(&name.as_str()));
    let kept = kept.map(|(name, value)| {
        let value = match (name.as_str(), value) {
            ("properties" | "$defs" | "definitions", Value::Object(schemas)) => of_each(schemas),
            ("anyOf" | "allOf", Value::Array(schemas)) => {
                schemas.iter().map(without_limits).collect()
            }
            ("items", schema) => without_limits(schema),
            (_, value) => value.clone(),
        };
        (name.clone(), value)
    });
    Value::Object(kept.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_left_out_of_schemas_and_not_of_names() {
        let schema = json!({
            "type": "object", "required": ["minimum", "list"],
            "properties": {
                "minimum": { "type": "integer", "minimum": 0, "maximum": 10, "enum": [1, 2] },
                "list": { "type": "array", "maxItems": 3, "items": { "anyOf": [{ "type": "string", "maxLength": 2 }] } },
            },
        });
        assert_eq!(
            without_limits(&schema),
            json!({
                "type": "object", "required": ["minimum", "list"],
                "properties": {
                    "minimum": { "type": "integer", "enum": [1, 2] },
                    "list": { "type": "array", "items": { "anyOf": [{ "type": "string" }] } },
                },
            })
        );
    }
}
