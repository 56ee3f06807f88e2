//! Text from strangers is text: whatever sagas, participants, people and addresses say, no page runs
//! it, breaks by it or grows out of its window.

use serde_json::json;
use settled_test_browser::{Look, Page};

use crate::axe::WIDTHS;
use crate::participant::Answer;
use crate::tour::{assert_fits, assert_whole};
use crate::world::{ADMIN, EVIL, World, assert_quiet};

/// What has broken pages elsewhere.
pub(crate) fn strings() -> Vec<String> {
    [
        "<script>window.pwned=1</script>",
        "</script><script>window.pwned=1</script>",
        "</textarea></pre></td></table></main><svg onload=window.pwned=1>",
        "\"><img src=x onerror=window.pwned=1>",
        "' autofocus onfocus=window.pwned=1 x='",
        "javascript:window.pwned=1",
        "data:text/html,<script>opener.pwned=1</script>",
        "--><!--<base href=//evil.example/><meta http-equiv=refresh content='0;url=//evil.example'>",
        "<style>*{display:none}</style><link rel=stylesheet href=//evil.example/x.css>",
        "]]><![CDATA[<form action=//evil.example><input name=form>",
        "{{constructor.constructor('window.pwned=1')()}} ${window.pwned=1} `${window.pwned=1}`",
        "&lt;script&gt;window.pwned=1&lt;/script&gt; &#60;b&#62; &amp;amp; &",
        "\u{202e}gnp.exe\u{202c} \u{2066}a\u{2069} \u{200b}\u{feff}\u{2028}\u{2029}",
        "a\u{0}b\u{1}\u{8}\u{1b}[31m\u{7}\u{7f}\u{85}",
        "e\u{301}\u{301}\u{301}Z\u{351}\u{36b}\u{343}\u{36a}\u{302}\u{36b}\u{33d}\u{34f}\u{334}\u{319}\u{324}\u{31e}",
        "العربية ‏עברית 日本語 😀👩‍👩‍👧‍👦",
        "\\\"'`\r\n\t\\u003cscript\\u003e %3Cscript%3E %00 ../../..",
    ]
    .into_iter()
    .map(str::to_owned)
    .chain(["W".repeat(5_000), "a b ".repeat(12_000), "<b>".repeat(4_000)])
    .collect()
}

fn encoded(text: &str) -> String {
    let all = percent_encoding::NON_ALPHANUMERIC;
    percent_encoding::utf8_percent_encode(text, all).to_string()
}

/// One saga for each string, with the string in every place that takes it; half of what it leads to
/// decided, with the string as the note.
pub(crate) fn infest(world: &World) {
    for (number, text) in strings().iter().enumerate() {
        let id = format!("hostile-{number}");
        let short: String = text.chars().take(200).collect();
        let plain = |sign: &char| !sign.is_control();
        let header: String = short.chars().filter(char::is_ascii).filter(plain).collect();
        let path = format!("/refuse/{number}");
        world.participant.answers(
            &path,
            Answer {
                status: 409,
                headers: vec![("X-Why".to_owned(), header.clone())],
                body: match number % 3 {
                    0 => text.clone().into_bytes(),
                    1 => json!({"error": text, text: [text, {text: 1}]})
                        .to_string()
                        .into_bytes(),
                    // Not text at all.
                    _ => [text.as_bytes(), &[0xff, 0xfe, 0x00, 0xc3]].concat(),
                },
            },
        );
        let taken = json!({"list": text, short.clone(): short});
        let taken = Answer::json(200, &taken.to_string());
        world.participant.answers(&format!("/take/{number}"), taken);
        let at = |path: &str| format!("{}?q={}", world.participant.url(path), encoded(&header));
        let call = |url: String| {
            json!({
                "url": url,
                "headers": {"X-Note": header.replace("${", "$${")},
                "body": {"text": text.replace("${", "$${"), "list": [text.replace("${", "$${")]},
            })
        };
        let saga = json!({
            "id": id,
            "name": "hostile",
            "input": {"text": text, text: {"deep": text}},
            "steps": [
                {
                    "name": "take",
                    "action": call(world.participant.url(&format!("/take/{number}"))),
                    "compensation": call(world.participant.url(&path)),
                },
                {"name": "refuse", "action": call(world.participant.url(&path))},
                {"name": "never", "needs": ["refuse"], "action": call(at("/never"))},
            ],
        });
        // An id or a name is of harmless signs only.
        for (field, place) in [("id", "/id"), ("name", "/name"), ("step", "/steps/0/name")] {
            let mut wrong = saga.clone();
            *wrong.pointer_mut(place).unwrap() = json!(short);
            let (status, answer) = world.ask("POST", "/v1/sagas", ADMIN, &wrong.to_string());
            let harmless = |sign: char| sign.is_ascii_alphanumeric();
            assert_eq!(
                status,
                if short.contains(|sign| !harmless(sign)) || short.len() > 128 {
                    400
                } else {
                    201
                },
                "{field} {short}: {answer}"
            );
        }
        world.submit(&saga);
        world.until(&id, "stuck");
        if number % 2 == 0 {
            let decision = json!({"decision": "abandon", "note": short, "by": short});
            world.api("POST", &format!("/v1/incidents/{id}~1/resolve"), &decision);
        }
    }
    let url = world.participant.url("/take/0");
    let nasty = json!({"name": "nasty", "input": strings()[1],
        "steps": [{"name": "one", "action": {"url": url, "body": strings()[2]}}]});
    let schedule = json!({"every": "4h", "saga": nasty});
    world.api("PUT", "/v1/schedules/nasty", &schedule);
    world.api("POST", "/v1/schedules/nasty/trigger", &json!({}));
}

/// The page as it stands is whole, has stayed quiet, and fits.
pub(crate) fn assert_unharmed(page: &Page, place: &str, mark: usize) {
    assert_unharmed_at(page, place, mark, &WIDTHS);
}

/// The same in some widths.
pub(crate) fn assert_unharmed_at(page: &Page, place: &str, mark: usize, widths: &[u32]) {
    for &width in widths {
        page.look(Look { width, dark: false }).unwrap();
        assert_fits(page, place, width);
    }
    assert_whole(page, place);
    assert_quiet(page, mark);
}

/// Addresses with a string wherever an address takes one.
pub(crate) fn addresses(places: &[&str]) -> Vec<String> {
    let mut all = Vec::new();
    for text in strings().iter().filter(|text| text.len() < 1_000) {
        for place in places {
            all.push(place.replace('*', &encoded(text)));
        }
    }
    all
}

#[test]
fn hostile_addresses_harm_no_page() {
    let Some(world) = World::start("hostile_addresses_harm_no_page") else {
        return;
    };
    let (_person, page) = world.person(EVIL, "zh-CN", "/console/incidents");
    let mark = page.mark();
    for place in addresses(&[
        "/console/incidents?participant=*&step=*&name=*&kind=*&fault=*&saga=*&state=*&cursor=*",
        "/console/incidents/*",
        "/console/*",
    ]) {
        page.go(&world.url(&place)).unwrap();
        assert_unharmed_at(&page, &place, mark, &[400]);
    }
}
