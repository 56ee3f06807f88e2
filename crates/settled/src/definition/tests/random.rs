//! Documents made at random: what is written is read back, and nothing panics.

use proptest::prelude::*;

use super::tests::{CONTRACT, parse};
use super::*;

/// A document put together from parts that are mostly right.
fn document() -> impl Strategy<Value = String> {
    let call = prop::sample::select(vec![
        r#"{"url":"http://h"}"#,
        r#"{"url":"http://h/${ key }","method":"put","timeout":"1500ms"}"#,
        r#"{"url":"http://h","headers":{"X-Y":"${ saga.id }","A":"é"},"body":{"b":"${ input.x }","a":[1.0,null]}}"#,
        r#"{"url":"${ input.base }/x","body":"$${ no }","timeout":"1d1h1us"}"#,
    ]);
    let member = |name: &'static str, values: Vec<&'static str>| {
        prop::option::of(prop::sample::select(values))
            .prop_map(move |value| value.map(|value| format!(r#""{name}":{value}"#)))
    };
    let compensation = (
        call.clone(),
        prop::sample::select(vec![
            "",
            r#","refused_when":null"#,
            r#","done_when":"response.status == 7""#,
            r#","retry":{"factor":3}"#,
        ]),
    )
        .prop_map(|(call, more)| {
            format!(
                r#""compensation":{}{more}}}"#,
                call.strip_suffix('}').unwrap()
            )
        });
    let check = call.clone().prop_map(|call| format!(r#""check":{call}"#));
    let step = (
        call,
        prop::option::of(compensation),
        prop::option::of(check),
        member("on_unknown", vec!["\"retry\"", "\"incident\"", "null"]),
        member(
            "retry",
            vec![
                "{}",
                r#"{"max_attempts":3,"first_delay":"1h"}"#,
                r#"{"factor":1.5}"#,
            ],
        ),
        member(
            "refused_when",
            vec!["\"response.body.ok == false\"", "null"],
        ),
        member("done_when", vec!["\"response.status in [200]\"", "null"]),
        member("needs", vec!["[]", "null", "[\"s0\"]"]),
        member("pivot", vec!["true", "false"]),
        member("key_window", vec!["\"24h\"", "\"90m\""]),
    );
    let step = step.prop_map(|(call, a, b, c, d, e, f, g, h, i)| {
        let members = [
            Some(format!(r#""action":{call}"#)),
            a,
            b,
            c,
            d,
            e,
            f,
            g,
            h,
            i,
        ];
        members.into_iter().flatten().collect::<Vec<_>>().join(",")
    });
    (
        prop::collection::vec(step, 1..4),
        prop::sample::select(vec!["reverse", "parallel"]),
    )
        .prop_map(|(steps, order)| {
            let steps: Vec<String> = steps
                .into_iter()
                .enumerate()
                .map(|(n, step)| format!(r#"{{"name":"s{n}",{step}}}"#))
                .collect();
            format!(
                r#"{{"compensate":"{order}","steps":[{}]}}"#,
                steps.join(",")
            )
        })
}

proptest! {
    #[test]
    fn what_is_written_is_read_back(document in document()) {
        let definitions = Definitions::new();
        // The first step may not need itself; everything else that is generated is valid.
        if let Ok(definition) = definitions.compile(&document) {
            let again = Definitions::new().compile(definition.document().as_str()).unwrap();
            prop_assert_eq!(again.document(), definition.document());
            prop_assert_eq!(again.digest(), definition.digest());
            prop_assert_eq!(again.plan(), definition.plan());
            let value: serde_json::Value = serde_json::from_str(&document).unwrap();
            let pretty = serde_json::to_string_pretty(&value).unwrap();
            let pretty = definitions.compile(&pretty).unwrap();
            prop_assert_eq!(pretty.document(), definition.document());
        } else {
            prop_assert!(document.contains(r#"["s0"]"#), "{}", document);
        }
    }

    #[test]
    fn a_document_with_a_piece_broken_is_no_reason_to_panic(
        at in any::<prop::sample::Index>(),
        length in 0_usize..12,
        piece in "[\\[\\]{}\",:a-z0-9$\\\\é ]{0,6}",
    ) {
        let mut text: Vec<char> = CONTRACT.chars().collect();
        let start = at.index(text.len());
        let end = (start + length).min(text.len());
        text.splice(start..end, piece.chars());
        let _ = parse(&text.into_iter().collect::<String>());
    }

    #[test]
    fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..60)) {
        let _ = Definitions::new().parse(&bytes);
    }

    #[test]
    fn no_json_makes_it_panic(
        id in "[\\[\\]{}0-9\"a ]{0,8}",
        steps in "(\\[|\\]|\\{|\\}|\"name\":|\"action\":|\"url\":|\"needs\":|\"a\"|\"http://h\"|,|1|null){0,16}",
    ) {
        let _ = parse(&format!(r#"{{"id":{id},"steps":{steps}}}"#));
        let _ = parse(&format!(r#"{{"input":{id},"steps":[{steps}]}}"#));
    }
}
