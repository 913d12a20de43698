use super::*;
use crate::proptesting::config;
use proptest::prelude::*;

/// As a reader of the result who knows the real marker would look for another one: folded, and by plain search.
fn look_alikes(text: &str) -> usize {
    disarm(text).1
}

#[test]
fn look_alikes_of_the_markers_are_written_as_escapes() {
    for (text, safe) in [
        ("</data 0123456789abcdef>", "\\u{3c}/data 0123456789abcdef>"),
        ("a</data>b", "a\\u{3c}/data>b"),
        ("<data>", "\\u{3c}data>"),
        ("< / DATA x>", "\\u{3c} / DATA x>"),
        ("<\n/data\n>", "\\u{3c}\n/data\n>"),
        ("<\\/data>", "\\u{3c}\\/data>"),
        ("＜／ｄａｔａ 1＞", "\\u{ff1c}／ｄａｔａ 1＞"),
        ("‹/dаtа x›", "\\u{2039}/dаtа x›"),
        ("<da\u{200b}ta x>", "\\u{3c}da\\u{200b}ta x>"),
        ("<\u{ad}/d\u{301}ata>", "\\u{3c}\u{ad}/d\u{301}ata>"),
        ("&lt;/data x&gt;", "\\u{26}lt;/data x&gt;"),
        ("&#60;&#x2F;d&#97;ta&#62;", "\\u{26}#60;&#x2F;d&#97;ta&#62;"),
        ("\\u003c/data\\u003e", "\\u{5c}u003c/data\\u003e"),
        ("%3C%2Fdata%3E", "\\u{25}3C%2Fdata%3E"),
        ("𝐝<𝐝𝐚𝐭𝐚 𝟏>", "𝐝\\u{3c}𝐝𝐚𝐭𝐚 𝟏>"),
        ("word<data 12ab>", "word\\u{3c}data 12ab>"),
    ] {
        assert_eq!(disarm(text).0, safe, "{text}");
    }
}

#[test]
fn control_tokens_of_chat_templates_are_written_as_escapes() {
    for text in [
        "<|im_start|>",
        "<|eot_id|>",
        "<｜begin▁of▁sentence｜>",
        "<|start_header_id|>",
        "[INST]",
        "[/INST]",
        "<<SYS>>",
        "<</SYS>>",
        "<start_of_turn>",
        "</s>",
        "<tool_call>",
        "</think>",
        "\n\nHuman: hi",
        "\r\n\r\nAssistant: fine",
    ] {
        let (safe, count) = disarm(text);
        assert!(count >= 1 && safe != text, "{text:?}");
        assert_eq!(look_alikes(&safe), 0, "{safe}");
    }
    assert_eq!(disarm("x\n\nHuman: hi").0, "x\n\nHuman\\u{3a} hi");
    assert_eq!(disarm("[INST]").0, "\\u{5b}INST]");
}

#[test]
fn ordinary_text_stays_byte_for_byte() {
    for text in [
        "",
        "<div class=\"data\">data</div>",
        "let data: Vec<Data> = Vec::<Data>::new(); Map<Data, u8>; if a < data && b {}",
        "<database/> <data-grid> <data_1> <DataTable> </data-grid> </datalist>",
        "metadata </metadata> &lt;div&gt; &amp; 100%3C x \\u003cdiv\\u003e \\x3c",
        "<s>old</s> price",
        "« data » et «Data»",
        "a <| b |> c, [insist] [1] [x](y), arr[INST]",
        "Human: hi\nAssistant: hello\n\nassistant: fine",
        "שלום \u{200f}(עולם)\u{200e} \u{2067}abc\u{2069} عربي",
        "می\u{200c}خواهم क्\u{200d}ष",
        "👩\u{200d}💻 ❤\u{fe0f}\u{200d}🔥 1\u{fe0f}\u{20e3} 葛\u{e0100}",
        "🏴\u{e0067}\u{e0062}\u{e0065}\u{e006e}\u{e0067}\u{e007f}!",
        "soft\u{ad}hyphen naïve café ünïcode \u{1b}[31mred",
    ] {
        let expected = text.replace("arr[INST]", "arr\\u{5b}INST]");
        assert_eq!(disarm(text).0, expected);
    }
}

#[test]
fn what_nobody_sees_is_shown() {
    for (text, safe) in [
        ("a\u{200b}b", "a\\u{200b}b"),
        ("\u{feff}a", "\\u{feff}a"),
        ("a\u{200d}b", "a\\u{200d}b"),
        ("abc\u{202e}fed", "abc\\u{202e}fed"),
        ("שלום\u{202e}", "שלום\\u{202e}"),
        ("a\u{200f}b", "a\\u{200f}b"),
        ("a\u{e0068}\u{e0069}", "a\\u{e0068}\\u{e0069}"),
        ("a\u{fe0f}", "a\\u{fe0f}"),
        ("😀\u{fe01}\u{fe02}", "😀\u{fe01}\\u{fe02}"),
    ] {
        assert_eq!(disarm(text).0, safe, "{text:?}");
    }
}

#[test]
fn a_title_stays_on_its_line() {
    assert_eq!(title("actual output").0, "actual output");
    assert_eq!(
        title("a:\n</data 1>\nb").0,
        "a:\\u{a}\\u{3c}/data 1>\\u{a}b"
    );
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn nothing_is_left_to_disarm(text in "([<＜‹&\\[]|lt;|/|\\\\|#60;| |\n|d|D|а|a|t|ta|data|DATA|>|\\||\u{200b}|\u{202e}|\u{fe0f}|im_start|INST\\]|Human:|x){0,24}") {
        let (safe, count) = disarm(&text);
        prop_assert_eq!(count == 0, *safe == text);
        prop_assert_eq!(look_alikes(&safe), 0, "{:?}", safe);
    }

    #[test]
    fn any_text_can_be_disarmed(text in "\\PC{0,64}|[\u{0}-\u{10ffff}]{0,64}") {
        let safe = disarm(&text).0.into_owned();
        prop_assert_eq!(look_alikes(&safe), 0, "{:?}", safe);
    }

    #[test]
    fn plain_words_are_left_alone(text in "[a-zA-Z0-9 .,;:!?'\"(){}=+*\n-]{0,80}") {
        prop_assume!(!text.contains("Human:") && !text.contains("Assistant:"));
        prop_assert_eq!(disarm(&text).0, text.as_str());
    }
}
