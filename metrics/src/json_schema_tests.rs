use super::*;
use serde_json::json;

#[test]
fn every_keyword_is_checked_and_the_place_named() {
    let table = [
        (
            json!({"type": "string"}),
            json!("a"),
            json!(1),
            "`$` is 1, not string",
        ),
        (
            json!({"type": ["integer", "null"]}),
            json!(2.0),
            json!(2.5),
            "`$` is 2.5, not integer or null",
        ),
        (
            json!({"properties": {"a": {"type": "number"}}}),
            json!({"b": "x"}),
            json!({"a": "x"}),
            "`$.a` is \"x\", not number",
        ),
        (
            json!({"required": ["a"]}),
            json!({"a": null}),
            json!({}),
            "`$` has no `a`",
        ),
        (
            json!({"properties": {"a": true}, "additionalProperties": false}),
            json!({"a": 1}),
            json!({"b c": 1}),
            "`$` has `b c`",
        ),
        (
            json!({"additionalProperties": {"type": "null"}}),
            json!({"a": null}),
            json!({"b c": 1}),
            "`$[\"b c\"]` is 1",
        ),
        (
            json!({"items": {"items": {"minimum": 0}}}),
            json!([[0, 1]]),
            json!([[], [0, -1]]),
            "`$[1][1]` is -1, not at least 0",
        ),
        (
            json!({"enum": ["a", 1]}),
            json!(1.0),
            json!("b"),
            "`$` is \"b\", not one of \"a\", 1",
        ),
        (
            json!({"const": {"a": 1}}),
            json!({"a": 1}),
            json!({"a": 2}),
            "`$` is an object, not {\"a\":1}",
        ),
        (json!({"maximum": 5}), json!(5), json!(6), "not at most 5"),
        (
            json!({"exclusiveMinimum": 5}),
            json!(5.1),
            json!(5),
            "not more than 5",
        ),
        (
            json!({"minLength": 2, "maxLength": 3}),
            json!("äöü"),
            json!("ä"),
            "has 1 characters, not at least 2",
        ),
        (
            json!({"minItems": 1, "maxItems": 2}),
            json!([1]),
            json!([1, 2, 3]),
            "has 3 items, not at most 2",
        ),
        (
            json!({"pattern": "^a+$"}),
            json!("aa"),
            json!("ab"),
            "does not match `^a+$`",
        ),
        (
            json!({"anyOf": [{"type": "null"}, {"items": {"type": "string"}, "type": "array"}]}),
            json!(["a"]),
            json!([1]),
            "the nearest: `$[0]` is 1",
        ),
        (
            json!({"oneOf": [{"minimum": 0}, {"maximum": 9}]}),
            json!(-1),
            json!(5),
            "fits 2 of the alternatives",
        ),
        (
            json!({"allOf": [{"minimum": 0}, {"maximum": 9}]}),
            json!(5),
            json!(10),
            "not at most 9",
        ),
        (
            json!({"$ref": "#/$defs/tree", "$defs": {"tree": {"required": ["n"], "properties": {"kids": {"items": {"$ref": "#/$defs/tree"}}}}}}),
            json!({"n": 1, "kids": [{"n": 2}]}),
            json!({"n": 1, "kids": [{"n": 2, "kids": [{}]}]}),
            "`$.kids[0].kids[0]` has no `n`",
        ),
    ];
    for (schema, good, bad, problem) in table {
        let schema = JsonSchema::new(schema).unwrap();
        assert_eq!(schema.check(&good), Ok(()), "{schema:?}");
        let found = schema.check(&bad).unwrap_err();
        assert!(found.contains(problem), "{found}");
    }
}

#[test]
fn a_keyword_that_would_be_ignored_is_refused() {
    for (schema, place) in [
        (
            json!({"properties": {"a": {"unevaluatedItems": false}}}),
            "`#/properties/a/unevaluatedItems`",
        ),
        (json!({"requird": ["a"]}), "`#/requird`"),
        (json!({"type": "text"}), "`#/type`"),
        (json!({"items": [{}]}), "`#/items`"),
        (json!({"pattern": "("}), "`#/pattern`"),
        (json!({"$ref": "#/$defs/nowhere"}), "`#/$ref`"),
        (json!({"minLength": -1}), "`#/minLength`"),
        (json!({"multipleOf": 0}), "`#/multipleOf`"),
        (json!({"uniqueItems": 1}), "`#/uniqueItems`"),
        (
            json!({"dependentRequired": {"a": "b"}}),
            "`#/dependentRequired`",
        ),
        (
            json!({"patternProperties": {"(": true}}),
            "`#/patternProperties/(`",
        ),
        (json!({"not": {"typ": "x"}}), "`#/not/typ`"),
        (json!({"if": 1}), "`#/if`"),
    ] {
        let problem = JsonSchema::new(schema).unwrap_err();
        assert!(problem.contains(place), "{problem}");
    }
    assert!(
        JsonSchema::new(json!({"title": "T", "description": "d", "format": "date", "default": 1}))
            .is_ok()
    );
}

#[test]
fn a_reference_to_itself_ends() {
    let schema = JsonSchema::new(json!({"$ref": "#"})).unwrap();
    assert!(
        schema
            .check(&json!(1))
            .unwrap_err()
            .contains("leads to itself")
    );
}

#[test]
fn the_rarer_keywords_are_checked_too() {
    let table = [
        (
            json!({"prefixItems": [{"type": "string"}], "items": {"type": "null"}}),
            json!(["a", null]),
            json!(["a", 1]),
            "`$[1]` is 1",
        ),
        (
            json!({"prefixItems": [{"type": "string"}]}),
            json!(["a", 1]),
            json!([1]),
            "`$[0]` is 1",
        ),
        (
            json!({"uniqueItems": true}),
            json!([1, "1", [1]]),
            json!([0, 1, 1.0]),
            "`$[2]` is the same as `$[1]`",
        ),
        (
            json!({"multipleOf": 0.1}),
            json!(0.3),
            json!(0.35),
            "not a multiple of 0.1",
        ),
        (
            json!({"multipleOf": 3}),
            json!(9),
            json!(1_000_000_000_000_000_000_i64),
            "not a multiple of 3",
        ),
        (
            json!({"minProperties": 1, "maxProperties": 2}),
            json!({"a": 1}),
            json!({}),
            "has 0 properties, not at least 1",
        ),
        (
            json!({"patternProperties": {"^x": {"type": "null"}}, "additionalProperties": false}),
            json!({"xa": null}),
            json!({"xa": 1}),
            "`$.xa` is 1",
        ),
        (
            json!({"patternProperties": {"^x": true}, "additionalProperties": false}),
            json!({"xa": 1}),
            json!({"a": 1}),
            "`$` has `a`",
        ),
        (
            json!({"propertyNames": {"maxLength": 1}}),
            json!({"a": 1}),
            json!({"ab": 1}),
            "must not have `ab`",
        ),
        (
            json!({"not": {"type": "null"}}),
            json!(1),
            json!(null),
            "`not` forbids",
        ),
        (
            json!({"if": {"minimum": 5}, "then": {"multipleOf": 5}, "else": {"maximum": 3}}),
            json!(10),
            json!(4),
            "not at most 3",
        ),
        (
            json!({"if": {"minimum": 5}, "then": {"multipleOf": 5}}),
            json!(4),
            json!(7),
            "not a multiple of 5",
        ),
        (
            json!({"dependentRequired": {"a": ["b"]}}),
            json!({"b": 1}),
            json!({"a": 1}),
            "has `a`, but no `b`",
        ),
        (
            json!({"const": 1_234_567_890_123_456_789_i64}),
            json!(1_234_567_890_123_456_789_i64),
            json!(1_234_567_890_123_456_788_i64),
            "not 1234567890123456789",
        ),
        (
            json!({"maximum": 9_007_199_254_740_992_i64}),
            json!(9_007_199_254_740_992_i64),
            json!(9_007_199_254_740_993_i64),
            "not at most",
        ),
        (
            json!({"const": [{"a": 1}]}),
            json!([{"a": 1.0}]),
            json!([{"a": 2}]),
            "an array",
        ),
    ];
    for (schema, good, bad, problem) in table {
        let schema = JsonSchema::new(schema).unwrap();
        assert_eq!(schema.check(&good), Ok(()), "{schema:?}");
        let found = schema.check(&bad).unwrap_err();
        assert!(found.contains(problem), "{found}");
    }
    let notes = json!({"discriminator": {"propertyName": "kind"}, "examples": [1], "$comment": "c", "deprecated": true, "readOnly": true, "writeOnly": false});
    assert!(JsonSchema::new(notes).is_ok());
}
