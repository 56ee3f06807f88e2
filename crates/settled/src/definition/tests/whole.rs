//! Whole documents: the contract field by field, and what equal meaning is.

use settled_protocol::{CompensateOrder, OnUnknown, Retry};

use super::support::compile;
use super::*;

pub(super) const CONTRACT: &str = r#"{
  "id": "order-1001",
  "name": "create-order",
  "input": {"items": [{"sku": "A", "qty": 2}], "user": 7},
  "deadline": "30s",
  "compensate": "reverse",
  "steps": [
    {
      "name": "stock",
      "action":       {"method": "POST", "url": "http://stock.local/deduct", "headers": {"x-a": "b"}, "body": {"items": "${ input.items }"}, "timeout": "3s"},
      "compensation": {"url": "http://stock.local/add", "body": {"items": "${ steps.stock.result.list }"}},
      "check":        {"method": "GET", "url": "http://stock.local/operations/${ key }", "done_when": "response.status == 200", "not_done_when": "response.status == 404"},
      "refused_when": "response.body.isSuccess == false",
      "on_unknown": "check",
      "retry": {"max_attempts": 5, "first_delay": "200ms", "max_delay": "30s", "factor": 2.0},
      "needs": [],
      "pivot": false
    }
  ]
}"#;

pub(super) fn parse(body: &str) -> Result<Submission, Invalid> {
    Definitions::new().parse(body.as_bytes())
}

#[test]
fn the_contract_s_example_is_understood() {
    let submission = parse(CONTRACT).unwrap();
    assert_eq!(submission.id.as_deref(), Some("order-1001"));
    assert_eq!(submission.name, "create-order");
    assert_eq!(submission.deadline, Some(Span::from_secs(30)));
    let plan = submission.definition.plan();
    assert_eq!(plan.compensate, CompensateOrder::Reverse);
    let step = &plan.steps[0];
    assert_eq!(
        (step.name.as_str(), step.action.on_unknown),
        ("stock", OnUnknown::Check)
    );
    let retry = Retry {
        max_attempts: 5,
        ..Retry::default()
    };
    assert_eq!(step.action.retry, retry);
    assert_eq!(step.action.timeout, Span::from_secs(3));
    let compensation = step.compensation.unwrap();
    assert_eq!(compensation.retry, retry);
    assert_eq!(compensation.timeout, Span::from_secs(10));
    assert_eq!(step.action.check, Some(Span::from_secs(10)));
    assert_eq!(compensation.check, Some(Span::from_secs(10)));

    let results = |_: StepIndex| None;
    let key = "order-1001/stock/action";
    let input = &submission.input;
    let scope = Scope {
        saga_id: "order-1001",
        key,
        input,
        results: &results,
    };
    let request = submission
        .definition
        .request(LegId::action(0), &scope, None)
        .unwrap();
    assert_eq!(
        request.body_json.unwrap().as_str(),
        r#"{"items":[{"sku": "A", "qty": 2}]}"#
    );
    let check = submission
        .definition
        .check_request(LegId::action(0), &scope)
        .unwrap();
    assert_eq!(
        check.url,
        "http://stock.local/operations/order-1001%2Fstock%2Faction"
    );
}

#[test]
fn defaults_are_those_of_the_contract() {
    let body = r#"{"steps":[{"name":"a","action":{"url":"http://h"}},
        {"name":"b","action":{"url":"http://h"},"check":{"url":"http://h"}}]}"#;
    let submission = parse(body).unwrap();
    assert_eq!((submission.id, submission.name.as_str()), (None, "saga"));
    assert_eq!(
        (submission.deadline, submission.input.as_str()),
        (None, "{}")
    );
    let plan = submission.definition.plan();
    let [a, b] = plan.steps.as_slice() else {
        panic!("two steps")
    };
    assert_eq!(
        (a.needs.as_slice(), b.needs.as_slice()),
        (&[][..], &[0][..])
    );
    assert_eq!(
        (a.action.on_unknown, b.action.on_unknown),
        (OnUnknown::Retry, OnUnknown::Check)
    );
    assert_eq!(a.callback_timeout, Span::from_secs(86_400));
    assert_eq!(
        (a.key_window, a.compensate_unknown, a.pivot),
        (None, false, false)
    );
    assert_eq!(
        (a.action.retry, a.compensation, a.action.check),
        (Retry::default(), None, None)
    );
}

#[test]
fn delays_make_way_for_each_other() {
    let retry = |text: &str| {
        let steps = format!(r#"[{{"name":"a","action":{{"url":"http://h"}},"retry":{text}}}]"#);
        compile(&steps).map(|definition| definition.plan().steps[0].action.retry)
    };
    assert_eq!(
        retry(r#"{"first_delay":"1m"}"#).unwrap().max_delay,
        Span::from_secs(60)
    );
    assert_eq!(
        retry(r#"{"max_delay":"1ms"}"#).unwrap().first_delay,
        Span::from_millis(1)
    );
    let error = retry(r#"{"first_delay":"2s","max_delay":"1s"}"#).unwrap_err();
    assert_eq!(error.field, "steps[0].retry.first_delay");
}

#[test]
fn steps_may_need_later_ones_and_use_what_comes_before_them() {
    let definition = compile(
        r#"[{"name":"last","needs":["mid","side"],"action":{"url":"http://h","body":"${ steps.first.result }"}},
            {"name":"first","needs":[],"action":{"url":"http://h"}},
            {"name":"mid","action":{"url":"http://h/${ steps.first.result.id }"}},
            {"name":"side","needs":[],"action":{"url":"http://h"},
             "compensation":{"url":"http://h","body":"${ steps.last.result }"}}]"#,
    )
    .unwrap();
    let needs: Vec<_> = definition
        .plan()
        .steps
        .iter()
        .map(|step| step.needs.clone())
        .collect();
    assert_eq!(needs, [vec![2, 3], vec![], vec![1], vec![]]);
}

#[test]
fn a_thousand_steps_are_fine_and_one_more_is_not() {
    let steps = |count: usize| {
        let list: Vec<String> = (0..count)
            .map(|n| format!(r#"{{"name":"s{n}","action":{{"url":"http://h/${{ input.x }}"}}}}"#))
            .collect();
        compile(&format!("[{}]", list.join(",")))
    };
    assert_eq!(steps(1_000).unwrap().plan().steps.len(), 1_000);
    assert!(steps(1_001).is_err());
    let ring: Vec<String> = (0..1_000)
        .map(|n| {
            let need = (n + 1) % 1_000;
            format!(r#"{{"name":"s{n}","needs":["s{need}"],"action":{{"url":"http://h"}}}}"#)
        })
        .collect();
    assert!(
        compile(&format!("[{}]", ring.join(",")))
            .unwrap_err()
            .message
            .len()
            < 400
    );
}

#[test]
fn depth_is_bounded() {
    let deep = |depth: usize| "[".repeat(depth) + &"]".repeat(depth);
    for depth in [50, 200, 100_000] {
        let input = format!(
            r#"{{"input":{},"steps":[{{"name":"a","action":{{"url":"http://h"}}}}]}}"#,
            deep(depth)
        );
        let body = format!(
            r#"{{"steps":[{{"name":"a","action":{{"url":"http://h","body":{}}}}}]}}"#,
            deep(depth)
        );
        for document in [input, body] {
            assert_eq!(parse(&document).is_ok(), depth < 100, "{depth}");
        }
    }
}

#[test]
fn equal_meaning_is_equal_text() {
    let short = compile(
        r#"[{"name":"a","action":{"url":"http://h","headers":{"B":"1","a":"2"},"body":{"y":1,"x":[true]}}},
            {"name":"b","action":{"url":"http://h"},"check":{"url":"http://h"},
             "compensation":{"url":"http://h"},"refused_when":"response.status == 1"}]"#,
    )
    .unwrap();
    let long = Definitions::new()
        .parse(
            br#" {"steps" : [
                {"pivot":false, "action":{"timeout":"10s","body":{"x":[true],"\u0079":1},
                  "headers":{"A":"2","b":"1"},"url":"http://h","method":"post"},"name":"a","needs":[],
                  "retry":{"factor":2,"first_delay":"200ms","max_attempts":10,"max_delay":"30000ms"},
                  "on_unknown":"retry","compensate_unknown":false,"callback_timeout":"1d",
                  "key_window":null,"compensation":null,"done_when":null},
                {"name":"b","needs":["a"],"action":{"url":"http://h","headers":{}},"on_unknown":"check",
                  "check":{"url":"http://h","method":"GET"},"refused_when":"response.status == 1",
                  "compensation":{"url":"http://h","retry":{},"refused_when":"response.status == 1"}}
            ], "compensate" : "reverse", "id":"x", "input": 5 }"#,
        )
        .unwrap()
        .definition;
    assert_eq!(short.document(), long.document());
    assert_eq!(short.digest(), long.digest());
    let other = compile(r#"[{"name":"a","action":{"url":"http://h"}}]"#).unwrap();
    assert_ne!(short.digest(), other.digest());
}
