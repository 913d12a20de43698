//! Embeddings in the forms of all providers, and moderations.

use super::parts::Parts;
use super::{Count, Reading, items};
use serde_json::Value;

pub(super) fn embeddings(parts: &Parts) -> Reading {
    let mut reading = Reading::default();
    let Some(body) = parts.all.first() else {
        return reading;
    };
    match vectors(body) {
        Ok(vectors) => reading.vectors = vectors,
        Err(why) => reading.unreadable = Some(why),
    }
    let usage = &body["usage"];
    let input = usage["prompt_tokens"]
        .as_u64()
        .or_else(|| body["prompt_eval_count"].as_u64())
        .or_else(|| body["inputTextTokenCount"].as_u64())
        .or_else(|| body["meta"]["billed_units"]["input_tokens"].as_u64());
    reading.usage = input.map(|input| Count {
        input: Some(input),
        output: usage["completion_tokens"].as_u64(),
        ..Count::default()
    });
    reading
}

/// The vectors in the order of their texts.
fn vectors(body: &Value) -> Result<Vec<Vec<f32>>, String> {
    // OpenAI gives an index, which some servers leave out and keep the order.
    if let Some(data) = body["data"].as_array() {
        let mut vectors: Vec<Option<Vec<f32>>> = vec![None; data.len()];
        for (place, item) in data.iter().enumerate() {
            let index = item["index"]
                .as_u64()
                .and_then(|index| usize::try_from(index).ok())
                .unwrap_or(place);
            let count = data.len();
            match vectors.get_mut(index) {
                Some(slot @ None) => *slot = Some(vector(&item["embedding"])?),
                Some(Some(_)) => return Err(format!("it has two vectors with the index {index}")),
                None => return Err(format!("it has a vector {index} among {count}")),
            }
        }
        return Ok(vectors.into_iter().flatten().collect());
    }
    // Titan takes one text.
    if body["embedding"].is_array() {
        return Ok(vec![vector(&body["embedding"])?]);
    }
    // Gemini gives `values`, Ollama and Cohere lists of numbers.
    let lists = [&body["embeddings"], &body["embeddings"]["float"]];
    let Some(list) = lists.iter().find_map(|list| list.as_array()) else {
        return Err("it has no `data`".to_string());
    };
    list.iter()
        .map(|item| {
            vector(if item["values"].is_array() {
                &item["values"]
            } else {
                item
            })
        })
        .collect()
}

fn vector(numbers: &Value) -> Result<Vec<f32>, String> {
    let Some(numbers) = numbers.as_array().filter(|numbers| !numbers.is_empty()) else {
        return Err("it has a vector without numbers".to_string());
    };
    let number = |number: &Value| {
        #[expect(
            clippy::cast_possible_truncation,
            reason = "vectors are of single precision"
        )]
        let number = number.as_f64().map(|number| number as f32);
        number
            .filter(|number| number.is_finite())
            .ok_or_else(|| "it has a vector with something that is no number".to_string())
    };
    numbers.iter().map(number).collect()
}

pub(super) fn moderation(parts: &Parts) -> Reading {
    let mut reading = Reading::default();
    let results: Vec<&Value> = parts
        .all
        .iter()
        .flat_map(|body| items(&body["results"]))
        .collect();
    if results.is_empty() {
        reading.unreadable = Some("it has no `results`".to_string());
    }
    let flagged = results.iter().any(|result| result["flagged"] == true);
    let categories = results
        .iter()
        .filter_map(|result| result["categories"].as_object())
        .flatten()
        .filter(|(_, flagged)| **flagged == true)
        .map(|(name, _)| name.clone());
    reading.flagged = flagged.then(|| categories.collect());
    reading
}
