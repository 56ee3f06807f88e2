//! What `proptest` does not leave out by itself: scopes around others, and hooks around what they do.

use std::sync::Arc;

use crate::program::{Act, Hook, Program, Scope, Step, number};

/// The smallest program that still fails, going from one that fails.
pub(crate) fn reduce(mut program: Program, fails: impl Fn(&Program) -> bool) -> Program {
    'again: loop {
        for scope in smaller(&program.scope) {
            let mut next = 0;
            let tried = Program {
                settings: program.settings.clone(),
                scope: Arc::new(number(scope, &mut next)),
            };
            if fails(&tried) {
                program = tried;
                continue 'again;
            }
        }
        return program;
    }
}

/// Programs with one thing less.
fn smaller(scope: &Scope) -> Vec<Scope> {
    let mut all = Vec::new();
    let with = |steps: Vec<Step>| Scope {
        steps,
        ..scope.clone()
    };
    for (at, step) in scope.steps.iter().enumerate() {
        let replaced = |by: Vec<Step>| {
            let mut steps = scope.steps.clone();
            steps.splice(at..=at, by);
            with(steps)
        };
        all.push(replaced(Vec::new()));
        match step {
            Step::Scope(within) => {
                all.push(Scope::clone(within));
                all.push(replaced(within.steps.clone()));
                let less = smaller(within).into_iter();
                all.extend(less.map(|less| replaced(vec![Step::Scope(Arc::new(less))])));
            }
            Step::Hook(hook) => {
                let mut push = |hook: Hook| all.push(replaced(vec![Step::Hook(Arc::new(hook))]));
                let hook = || Hook::clone(hook);
                for (act, put) in acts(&hook()) {
                    for less in less(&act) {
                        let mut hook = hook();
                        put(&mut hook, less);
                        push(hook);
                    }
                }
            }
            _ => {}
        }
    }
    for (is_set, clear) in [
        (scope.fails, (|scope| scope.fails = false) as fn(&mut Scope)),
        (scope.read_only, |scope| scope.read_only = false),
        (scope.deferred, |scope| scope.deferred = false),
        (scope.isolation, |scope| scope.isolation = false),
        (!scope.by_handle, |scope| scope.by_handle = true),
    ] {
        if is_set {
            let mut scope = scope.clone();
            clear(&mut scope);
            all.push(scope);
        }
    }
    all
}

type Put = fn(&mut Hook, Act);

fn acts(hook: &Hook) -> [(Act, Put); 3] {
    [
        (hook.before_commit.clone(), |hook, act| {
            hook.before_commit = act;
        }),
        (hook.after_commit.clone(), |hook, act| {
            hook.after_commit = act;
        }),
        (hook.after_completion.clone(), |hook, act| {
            hook.after_completion = act;
        }),
    ]
}

fn less(act: &Act) -> Vec<Act> {
    match act {
        Act::Nothing => Vec::new(),
        Act::Fail | Act::Mark => vec![Act::Nothing],
        Act::Scope(scope) => {
            let scopes = smaller(scope).into_iter();
            let scopes = scopes.map(|scope| Act::Scope(Arc::new(scope)));
            [Act::Nothing].into_iter().chain(scopes).collect()
        }
    }
}
