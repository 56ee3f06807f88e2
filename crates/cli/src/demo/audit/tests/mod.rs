//! The audit must find every kind of wrong, and nothing where nothing is wrong.

mod case;

use self::case::Case;
use super::*;

#[test]
fn sound_books_balance_and_are_counted() {
    let verdict = Case::sound().verdict();
    assert!(verdict.balances());
    assert_eq!(
        (
            verdict.completed,
            verdict.compensated,
            verdict.stuck,
            verdict.open
        ),
        (1, 1, 0, 0)
    );
    assert_eq!(
        verdict.effects[&Kind::Stock],
        Effects { done: 2, undone: 1 }
    );
    assert_eq!(
        verdict.effects[&Kind::Coupon],
        Effects { done: 1, undone: 0 }
    );
}

#[test]
fn a_double_effect_is_found() {
    let mut case = Case::sound();
    case.take(0, Kind::Bonus);
    assert_eq!(case.found(), [(Some(Kind::Bonus), What::TakenAgain(2))]);
}

#[test]
fn a_double_effect_is_found_even_if_both_are_given_back() {
    let mut case = Case::sound();
    case.take(1, Kind::Points);
    let again = case.ledger(Kind::Points).entries.last().unwrap().clone();
    let key = format!("{}/points/compensation", again.saga);
    case.enter(
        Kind::Points,
        Entry {
            operation: 9,
            returned: true,
            key,
            ..again
        },
    );
    assert_eq!(case.found(), [(Some(Kind::Points), What::TakenAgain(2))]);
}

#[test]
fn a_missing_compensation_is_found() {
    let mut case = Case::sound();
    case.say(
        0,
        "compensated",
        ["compensated", "compensated", "compensated", "compensated"],
    );
    for kind in [Kind::Stock, Kind::Points, Kind::Coupon] {
        case.give_back(0, kind);
    }
    assert_eq!(case.found(), [(Some(Kind::Bonus), What::NotReturned)]);
}

#[test]
fn a_double_compensation_is_found() {
    let mut case = Case::sound();
    case.give_back(1, Kind::Stock);
    assert_eq!(
        case.found(),
        [(
            Some(Kind::Stock),
            What::ReturnedAgain {
                taken: 1,
                returned: 2
            }
        )]
    );
}

#[test]
fn a_compensation_without_an_effect_is_found() {
    let mut case = Case::sound();
    let stray = case.ledger(Kind::Coupon).entries[0].clone();
    let saga = case.orders[1].id.clone();
    let key = format!("{saga}/coupon/compensation");
    case.enter(
        Kind::Coupon,
        Entry {
            operation: 9,
            saga,
            key,
            returned: true,
            ..stray
        },
    );
    assert_eq!(
        case.found(),
        [(
            Some(Kind::Coupon),
            What::ReturnedAgain {
                taken: 0,
                returned: 1
            }
        )]
    );
}

#[test]
fn a_compensation_of_something_else_is_found() {
    let mut case = Case::sound();
    case.ledger(Kind::Points)
        .entries
        .last_mut()
        .unwrap()
        .receipt = "points-77-1".to_owned();
    assert!(matches!(
        &case.found()[..],
        [(Some(Kind::Points), What::ReturnedWrongly { returned, .. })]
            if returned.contains("points-77-1")
    ));
}

#[test]
fn a_compensation_of_only_a_part_is_found() {
    let mut case = Case::sound();
    // Give back one less of the last good, and mend the balance: only the comparison can tell.
    let entry = case.ledger(Kind::Stock).entries.last_mut().unwrap();
    entry.amount += 1;
    let item = entry.item.clone();
    let ledger = case.ledger(Kind::Stock);
    ledger
        .balances
        .iter_mut()
        .find(|b| b.item == item)
        .unwrap()
        .current += 1;
    assert!(matches!(
        &case.found()[..],
        [(Some(Kind::Stock), What::ReturnedWrongly { .. })]
    ));
}

#[test]
fn a_compensation_before_the_effect_is_found() {
    let mut case = Case::sound();
    let saga = case.orders[1].id.clone();
    let of_order = |e: &&mut Entry| e.saga == saga;
    for entry in case.ledger(Kind::Bonus).entries.iter_mut().filter(of_order) {
        entry.operation = if entry.returned { 8 } else { 9 };
    }
    assert_eq!(case.found(), [(Some(Kind::Bonus), What::ReturnedBefore)]);
}

#[test]
fn an_effect_of_a_refused_step_is_found() {
    let mut case = Case::sound();
    case.take(1, Kind::Coupon);
    assert_eq!(
        case.found(),
        [
            (Some(Kind::Coupon), What::EffectOf("refused".to_owned())),
            (Some(Kind::Coupon), What::NotReturned)
        ]
    );
}

#[test]
fn a_completed_order_without_its_effect_is_found() {
    let mut case = Case::sound();
    case.say(1, "completed", ["done"; 4]);
    assert_eq!(
        case.found(),
        [
            (Some(Kind::Stock), What::Returned),
            (Some(Kind::Points), What::Returned),
            (Some(Kind::Bonus), What::Returned),
            (Some(Kind::Coupon), What::NeverTaken)
        ]
    );
}

#[test]
fn an_effect_that_was_not_ordered_is_found() {
    let mut case = Case::sound();
    let entry = &mut case.ledger(Kind::Points).entries[0];
    entry.amount += 5;
    let item = entry.item.clone();
    let ledger = case.ledger(Kind::Points);
    ledger
        .balances
        .iter_mut()
        .find(|b| b.item == item)
        .unwrap()
        .current -= 5;
    assert!(matches!(
        &case.found()[..],
        [(Some(Kind::Points), What::TakenWrongly { .. })]
    ));
}

#[test]
fn an_effect_under_anothers_key_is_found() {
    let mut case = Case::sound();
    case.ledger(Kind::Bonus).entries[0].key = "order-000009/bonus/action".to_owned();
    let key = "order-000009/bonus/action".to_owned();
    assert_eq!(case.found(), [(Some(Kind::Bonus), What::WrongKey(key))]);
}

#[test]
fn an_effect_for_nobody_is_found() {
    let mut case = Case::sound();
    let entry = case.ledger(Kind::Coupon).entries[0].clone();
    case.enter(
        Kind::Coupon,
        Entry {
            operation: 9,
            saga: "order-999999".to_owned(),
            ..entry
        },
    );
    assert_eq!(case.found(), [(Some(Kind::Coupon), What::Stray)]);
}

#[test]
fn a_balance_that_does_not_follow_from_the_ledger_is_found() {
    let mut case = Case::sound();
    let balance = &mut case.ledger(Kind::Stock).balances[0];
    balance.current -= 1;
    let (item, found) = (balance.item.clone(), balance.current);
    assert_eq!(
        case.found(),
        [(
            Some(Kind::Stock),
            What::Balance {
                item,
                expected: found + 1,
                found
            }
        )]
    );
}

#[test]
fn goods_that_never_were_are_found() {
    let mut case = Case::sound();
    case.ledger(Kind::Coupon)
        .balances
        .retain(|balance| balance.current == balance.initial);
    let item = case.ledger(Kind::Coupon).entries[0].item.clone();
    assert_eq!(
        case.found(),
        [(Some(Kind::Coupon), What::UnknownItem(item))]
    );
}

#[test]
fn a_lost_order_is_found() {
    let mut case = Case::sound();
    let id = case.orders[0].id.clone();
    case.sagas.remove(&id);
    assert_eq!(case.found(), [(None, What::Lost)]);
    assert_eq!(case.verdict().open, 1);
    case.acknowledged.remove(&id);
    assert_eq!(case.found(), [(None, What::NotTaken)]);
}

#[test]
fn an_order_that_is_not_settled_is_found_and_listed() {
    let mut case = Case::sound();
    case.say(
        1,
        "stuck",
        [
            "compensation_failed",
            "compensated",
            "compensated",
            "refused",
        ],
    );
    assert_eq!(case.found(), [(None, What::NotSettled("stuck".to_owned()))]);
    assert_eq!(case.verdict().stuck, 1);
    case.say(1, "running", ["done", "done", "done", "running"]);
    assert_eq!(
        case.found(),
        [(None, What::NotSettled("running".to_owned()))]
    );
    assert_eq!(case.verdict().open, 1);
}
