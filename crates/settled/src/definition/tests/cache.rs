//! The cache forgets, but never mixes up.

use super::*;

fn body(n: usize) -> String {
    format!(r#"{{"steps":[{{"name":"s{n}","action":{{"url":"http://h/{n}"}}}}]}}"#)
}

#[test]
fn equal_text_is_compiled_once() {
    let definitions = Definitions::new();
    let first = definitions.parse(body(1).as_bytes()).unwrap().definition;
    let again = definitions.parse(body(1).as_bytes()).unwrap().definition;
    assert!(Arc::ptr_eq(&first, &again));
    let other = body(1).replacen('{', r#"{"compensate":"parallel","#, 1);
    let other = definitions.parse(other.as_bytes()).unwrap().definition;
    assert_ne!(first.digest(), other.digest());
    assert_eq!(other.plan().compensate, CompensateOrder::Parallel);
}

#[test]
fn it_is_bounded_and_keeps_what_is_used() {
    let definitions = Definitions::new();
    let kept = definitions.parse(body(0).as_bytes()).unwrap().definition;
    for n in 1..=2 * GENERATION_ENTRIES + 10 {
        let definition = definitions.parse(body(n).as_bytes()).unwrap().definition;
        assert_eq!(definition.plan().steps[0].name, format!("s{n}"));
        let again = definitions.parse(body(0).as_bytes()).unwrap().definition;
        assert!(Arc::ptr_eq(&kept, &again));
    }
    let cache = definitions.lock();
    assert!(cache.young.len() <= GENERATION_ENTRIES && cache.old.len() <= GENERATION_ENTRIES);
}

#[test]
fn equal_hashes_are_told_apart() {
    let mut cache = Cache::default();
    let definition = Definitions::new()
        .parse(body(1).as_bytes())
        .unwrap()
        .definition;
    let entry = Entry {
        compensate: CompensateOrder::Reverse,
        steps: "x".into(),
        definition,
    };
    cache.put(7, entry);
    assert!(cache.get(7, |entry| &*entry.steps == "x").is_some());
    assert!(cache.get(7, |entry| &*entry.steps == "y").is_none());
    let hashes: std::collections::HashSet<u64> =
        (0..1_000).map(|n| hash(3, body(n).as_bytes())).collect();
    assert_eq!(hashes.len(), 1_000);
}
