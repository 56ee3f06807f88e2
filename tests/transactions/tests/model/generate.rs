//! Random programs, and what is left out first when one of them fails.

use std::sync::Arc;

use proptest::collection::vec;
use proptest::option::weighted as some;
use proptest::prelude::{BoxedStrategy, Just, Strategy, any, prop_oneof};
use proptest::sample::select;
use settled_transaction::{HookScopes, Propagation, Settings};

use crate::program::{Act, By, Hook, Program, Scope, Step, is_deferred, number, without_reads};

/// How deep scopes are within each other.
const DEPTH: u32 = 5;

/// Programs.
pub(crate) fn programs() -> impl Strategy<Value = Program> {
    (settings(), scope(DEPTH)).prop_map(|(settings, scope)| {
        let scope = if is_deferred(&scope) {
            without_reads(&scope)
        } else {
            scope
        };
        let mut next = 0;
        Program {
            settings,
            scope: Arc::new(number(scope, &mut next)),
        }
    })
}

/// Mostly as they are when nobody sets them.
fn settings() -> impl Strategy<Value = Settings> {
    let seldom = || proptest::bool::weighted(0.12);
    let hooks = prop_oneof![
        10 => Just(HookScopes::Always),
        1 => Just(HookScopes::InTransactions),
        1 => Just(HookScopes::Never),
    ];
    let switches = (seldom(), seldom(), seldom(), seldom(), seldom(), seldom());
    (hooks, switches).prop_map(|(hooks, switches)| {
        let (no_nested, no_suspension, no_validation, no_doom, fail_early, keep_hooks) = switches;
        Settings {
            hooks,
            nested: !no_nested,
            suspension: !no_suspension,
            validate_existing: !no_validation,
            doom_on_participation_failure: !no_doom,
            fail_early,
            drop_hooks_with_savepoint: !keep_hooks,
            ..Settings::default()
        }
    })
}

fn propagation() -> impl Strategy<Value = Propagation> {
    prop_oneof![
        6 => Just(Propagation::Required),
        6 => Just(Propagation::Nested),
        4 => Just(Propagation::RequiresNew),
        3 => Just(Propagation::NotSupported),
        2 => Just(Propagation::Supports),
        2 => Just(Propagation::Mandatory),
        1 => Just(Propagation::Never),
    ]
}

fn scope(depth: u32) -> BoxedStrategy<Scope> {
    let flags = (
        any::<bool>(),
        proptest::bool::weighted(0.1),
        proptest::bool::weighted(0.1),
        proptest::bool::weighted(0.05),
        proptest::bool::weighted(0.2),
        proptest::bool::weighted(0.6),
    );
    (propagation(), flags, vec(step(depth), 0..6))
        .prop_map(|(how, flags, steps)| {
            let (by_handle, read_only, deferred, isolation, fails, caught) = flags;
            Scope {
                number: 0,
                how,
                by_handle,
                read_only,
                deferred,
                isolation,
                steps,
                fails,
                caught,
            }
        })
        .boxed()
}

fn by() -> impl Strategy<Value = By> {
    select(vec![By::Handle, By::Handle, By::Ambient, By::Raw])
}

fn step(depth: u32) -> BoxedStrategy<Step> {
    let mostly = || proptest::bool::weighted(0.7);
    let write = (by(), any::<bool>()).prop_map(|(by, hidden)| Step::Write { row: 0, by, hidden });
    let bad = (by(), mostly()).prop_map(|(by, hidden)| Step::Bad { by, hidden });
    let read = any::<bool>().prop_map(|ambient| Step::Read { ambient });
    let mark = any::<bool>().prop_map(|ambient| Step::Mark { ambient });
    let by_hand = prop_oneof![
        3 => Just(Step::Savepoint),
        2 => (0..4_usize).prop_map(Step::BackTo),
        1 => (0..4_usize).prop_map(Step::Release),
    ];
    if depth == 0 {
        return prop_oneof![6 => write, 1 => bad, 1 => read, 1 => mark].boxed();
    }
    let hook = hook().prop_map(|hook| Step::Hook(Arc::new(hook)));
    let within = scope(depth - 1).prop_map(|scope| Step::Scope(Arc::new(scope)));
    prop_oneof![
        6 => write,
        1 => bad,
        1 => read,
        1 => mark,
        2 => hook,
        2 => by_hand,
        7 => within,
    ]
    .boxed()
}

fn hook() -> impl Strategy<Value = Hook> {
    let order = some(0.3, 0..3);
    let acts = (act(true), act(false), act(false));
    (order, acts).prop_map(
        |(order, (before_commit, after_commit, after_completion))| Hook {
            number: 0,
            order,
            before_commit,
            after_commit,
            after_completion,
        },
    )
}

fn act(before: bool) -> BoxedStrategy<Act> {
    let within = scope(0).prop_map(|scope| Act::Scope(Arc::new(scope)));
    let ends = Just(if before { Act::Mark } else { Act::Fail });
    prop_oneof![
        12 => Just(Act::Nothing),
        1 => ends,
        1 => Just(Act::Fail),
        2 => within,
    ]
    .boxed()
}
