//! Our value for each name of a reference value.

use crate::Pair;
use llmtest::{
    Bleu, BleuTokens, Chrf, Edits, ErrorRate, Meteor, Rouge, RougeScore, Smoothing, Ter,
};

/// The numbers of this name on the reference's scale, or `None` for a name that is not known.
pub(crate) fn of(name: &str, pair: &Pair) -> Option<Vec<f64>> {
    let (library, metric) = name.split_once('.')?;
    match library {
        "sacrebleu" => sacrebleu(metric, pair).map(|value| vec![value]),
        "nltk" => nltk(metric, pair).map(|value| vec![value]),
        "rouge_score" => rouge(metric, pair),
        "jiwer" => jiwer(metric, pair).map(|value| vec![value]),
        "rapidfuzz" => rapidfuzz(metric, pair).map(|value| vec![value]),
        _ => None,
    }
}

fn sacrebleu(
    metric: &str,
    Pair {
        output, references, ..
    }: &Pair,
) -> Option<f64> {
    if let Some(variant) = metric.strip_prefix("sentence_bleu.") {
        let (tokens, option) = variant.split_once('.').unwrap_or((variant, ""));
        let bleu = Bleu::new().tokens(match tokens {
            "13a" => BleuTokens::Wmt13a,
            "intl" => BleuTokens::International,
            "char" => BleuTokens::Characters,
            "none" => BleuTokens::Spaces,
            "zh" => BleuTokens::Chinese,
            _ => return None,
        });
        let bleu = match option {
            "" => bleu,
            "smooth_none" => bleu.smoothing(Smoothing::None),
            "smooth_floor" => bleu.smoothing(Smoothing::Floor(0.1)),
            "smooth_add-k" => bleu.smoothing(Smoothing::AddK(1.0)),
            "no_effective_order" => bleu.all_orders(),
            "lowercase" => bleu.ignore_case(),
            _ => return None,
        };
        return Some(100.0 * bleu.value(output, references));
    }
    let score = match metric {
        "chrf" => Chrf::new().value(output, references),
        "chrf++" => Chrf::plus_plus().value(output, references),
        "chrf.whitespace" => Chrf::new().white_space().value(output, references),
        "ter" => Ter::new().rate(output, references),
        "ter.case" => Ter::new().case_sensitive().rate(output, references),
        "ter.no_punct" => Ter::new().no_punctuation().rate(output, references),
        "ter.normalized" => Ter::new().normalized().rate(output, references),
        "ter.normalized_no_punct" => {
            let ter = Ter::new().normalized().no_punctuation();
            ter.rate(output, references)
        }
        _ => return None,
    };
    Some(100.0 * score)
}

fn nltk(
    metric: &str,
    Pair {
        output, references, ..
    }: &Pair,
) -> Option<f64> {
    let bleu = |smoothing| Bleu::nltk().smoothing(smoothing).value(output, references);
    Some(match metric {
        "sentence_bleu.m0" => bleu(Smoothing::None),
        "sentence_bleu.m1" => bleu(Smoothing::Floor(0.1)),
        "sentence_bleu.m2" => bleu(Smoothing::AddK(1.0)),
        "sentence_bleu.m4" => bleu(Smoothing::Length(5.0)),
        "meteor" => Meteor::new().value(output, references),
        _ => return None,
    })
}

/// Precision, recall and F on the first reference, or of `multi` on all, for the four kinds in the order of their names.
fn rouge(
    metric: &str,
    Pair {
        output, references, ..
    }: &Pair,
) -> Option<Vec<f64>> {
    let (kind, stem) = match metric.strip_suffix(".stem") {
        Some(kind) => (kind, true),
        None => (metric, false),
    };
    let (kinds, references) = if kind == "multi" {
        (
            vec!["rouge1", "rouge2", "rougeL", "rougeLsum"],
            references.as_slice(),
        )
    } else {
        (vec![kind], &references[..references.len().min(1)])
    };
    let mut numbers = Vec::new();
    for kind in kinds {
        let rouge = match kind {
            "rouge1" => Rouge::ngrams(1),
            "rouge2" => Rouge::ngrams(2),
            "rougeL" => Rouge::longest(),
            "rougeLsum" => Rouge::longest_of_lines(),
            _ => return None,
        };
        let rouge = if stem { rouge.stem() } else { rouge };
        let RougeScore {
            precision,
            recall,
            f,
            ..
        } = rouge.value(output, references);
        numbers.extend([precision, recall, f]);
    }
    Some(numbers)
}

fn jiwer(metric: &str, pair: &Pair) -> Option<f64> {
    let rate = match metric {
        "wer" => ErrorRate::Words,
        "mer" => ErrorRate::Matches,
        "wil" => ErrorRate::Information,
        "cer" => ErrorRate::Characters,
        _ => return None,
    };
    Some(rate.of(&pair.output, pair.references.first()?))
}

fn rapidfuzz(metric: &str, pair: &Pair) -> Option<f64> {
    let (output, reference) = (pair.output.as_str(), pair.references.first()?.as_str());
    Some(match metric {
        "levenshtein" => Edits::Levenshtein.distance(output, reference)? as f64,
        "levenshtein_normalized_similarity" => Edits::Levenshtein.similarity(output, reference),
        "jaro_winkler" => Edits::JaroWinkler.similarity(output, reference),
        "ratio" => 100.0 * Edits::Indel.similarity(output, reference),
        _ => return None,
    })
}
