use super::*;
use crate::{Judge, Prompt, Reply, TestCase, hash, measure_with, proptesting};
use proptest::prelude::*;
use serde_json::{Value, json};

/// Answers any question with one of the answers that its schema allows, by a hash of the prompt.
#[derive(Clone, Copy)]
struct Chooses(u64);

impl Judge for Chooses {
    fn model(&self) -> &'static str {
        "chooses"
    }

    async fn complete(&self, prompt: &Prompt) -> Result<Reply> {
        let schema = prompt.schema.as_ref().map(|schema| &schema.schema);
        let labels = schema.and_then(|schema| schema["properties"]["verdict"]["enum"].as_array());
        let mut hasher = hash::Hasher::new();
        hasher.part(&self.0.to_le_bytes());
        hasher.part(prompt.text().as_bytes());
        let number = u64::from_str_radix(&hasher.hex64(), 16)?;
        Ok(Reply::new(match labels {
            Some(labels) => {
                let at = usize::try_from(number % labels.len() as u64)?;
                json!({"reason": "It is.", "verdict": labels[at]}).to_string()
            }
            None => json!({"output": format!("text {number}")}).to_string(),
        }))
    }
}

/// Where one answer of a generated question leads.
#[derive(Debug, Clone)]
enum Toward {
    Score(f64),
    /// Questions further on, by how far.
    Questions(Vec<usize>),
}

#[derive(Debug, Clone)]
struct Generated {
    yes_no: bool,
    reads: Vec<usize>,
    toward: Vec<Toward>,
}

fn toward() -> impl Strategy<Value = Toward> {
    prop_oneof![
        (0..=8u8).prop_map(|eighths| Toward::Score(f64::from(eighths) / 8.0)),
        prop::collection::vec(1..4usize, 1..3).prop_map(Toward::Questions),
    ]
}

fn generated() -> impl Strategy<Value = Vec<Generated>> {
    let question = (
        any::<bool>(),
        prop::collection::vec(0..3usize, 0..3),
        prop::collection::vec(toward(), 2..4),
    );
    let question = question.prop_map(|(yes_no, reads, toward)| Generated {
        yes_no,
        reads,
        toward,
    });
    prop::collection::vec(question, 1..8)
}

/// Questions that lead only to later ones, and tasks of which the last reads the first.
fn dag(generated: &[Generated]) -> Dag {
    let facts = task("facts", "List facts.").given([Field::Output]);
    let tasks = [
        facts.clone(),
        task("dates", "List dates."),
        task("names", "List names.").reads(&facts),
    ];
    let mut made: Vec<Question> = Vec::new();
    for (number, generated) in generated.iter().enumerate().rev() {
        let mut question = ask(format!("Question {number}?"));
        for task in &generated.reads {
            question = question.reads(&tasks[*task]);
        }
        let answers = if generated.yes_no {
            2
        } else {
            generated.toward.len()
        };
        for (answer, toward) in generated.toward.iter().take(answers).enumerate() {
            let then = match toward {
                Toward::Questions(ahead) if !made.is_empty() => {
                    // `made` begins with the last question.
                    let later = ahead
                        .iter()
                        .map(|ahead| made[made.len().saturating_sub(*ahead)].clone());
                    Node::from(later.collect::<Vec<_>>())
                }
                Toward::Questions(_) => Node::from(0.5),
                Toward::Score(score) => Node::from(*score),
            };
            question = match (generated.yes_no, answer) {
                (true, 0) => question.yes(then),
                (true, _) => question.no(then),
                (false, answer) => question.when(format!("answer {answer}"), then),
            };
        }
        made.push(question);
    }
    Dag::new("generated", made.pop().unwrap())
}

fn score(dag: &Dag, seed: u64) -> Score {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    let case = TestCase::new("q", "a");
    runtime
        .block_on(measure_with(&case, dag, Chooses(seed)))
        .unwrap()
}

proptest! {
    #![proptest_config(proptesting::config())]

    #[test]
    fn a_valid_graph_always_ends_with_a_score(generated in generated(), seed: u64) {
        let score = score(&dag(&generated), seed);
        prop_assert!((0.0..=1.0).contains(&score.value));
        prop_assert!(score.reason.is_some());
    }

    #[test]
    fn a_graph_that_was_written_and_read_scores_the_same(generated in generated(), seed: u64) {
        for rule in Leaves::ALL {
            let dag = dag(&generated).leaves(rule);
            let again = Dag::from_json(&dag.to_json().unwrap()).unwrap();
            prop_assert_eq!(score(&again, seed), score(&dag, seed));
            prop_assert_eq!(again.to_text(), dag.to_text());
        }
    }

    #[test]
    fn the_mean_lies_between_the_lowest_and_the_highest(generated in generated(), seed: u64) {
        let dag = dag(&generated);
        let [min, max, mean, first] = Leaves::ALL.map(|rule| score(&dag.clone().leaves(rule), seed).value);
        prop_assert!(min <= mean + 1e-12 && mean <= max + 1e-12, "{min} {mean} {max}");
        prop_assert!((min..=max).contains(&first));
    }

    #[test]
    fn strict_is_a_perfect_score_or_none(generated in generated(), seed: u64) {
        let dag = dag(&generated);
        let (plain, strict) = (score(&dag, seed).value, score(&dag.strict(), seed).value);
        prop_assert_eq!(strict, if plain < 1.0 { 0.0 } else { 1.0 });
    }

    #[test]
    fn the_order_of_definition_does_not_matter(generated in generated(), seed: u64, shift in 0..20usize) {
        let dag = dag(&generated);
        let Value::Object(mut document) = serde_json::from_str(&dag.to_json().unwrap()).unwrap() else { unreachable!() };
        let Some(Value::Object(nodes)) = document.remove("nodes") else { unreachable!() };
        let mut nodes: Vec<String> = nodes.iter().map(|(id, node)| format!("{}: {node}", json!(id))).collect();
        let count = nodes.len();
        nodes.rotate_left(shift % count);
        nodes.reverse();
        document.remove("name");
        let rest = Value::Object(document).to_string();
        let text = format!("{{\"nodes\": {{{}}}, \"name\": \"generated\", {}", nodes.join(", "), &rest[1..]);
        prop_assert_eq!(score(&Dag::from_json(&text).unwrap(), seed), score(&dag, seed));
    }
}
