//! The current scope of a task, found without being passed. It is not inherited by spawned tasks.

use std::any::Any;
use std::future::Future;
use std::sync::Arc;

tokio::task_local! {
    static AROUND: Arc<Node>;
}

/// One scope around what runs. Nothing here is ever changed: to leave a scope is to forget its node,
/// however it is left.
pub(crate) struct Node {
    /// Whose: managers do not see each other's scopes.
    manager: usize,
    what: Arc<dyn Any + Send + Sync>,
    outer: Option<Arc<Node>>,
}

/// What is around here, for one manager.
pub(crate) fn current<T: Any + Send + Sync>(manager: usize) -> Option<Arc<T>> {
    let found = AROUND.try_with(|node| {
        let mut node = Some(node);
        while let Some(at) = node {
            if at.manager == manager {
                return Some(Arc::clone(&at.what));
            }
            node = at.outer.as_ref();
        }
        None
    });
    found.ok().flatten()?.downcast().ok()
}

/// Runs a future with something around it.
pub(crate) fn within<F: Future>(
    manager: usize,
    what: Arc<dyn Any + Send + Sync>,
    future: F,
) -> impl Future<Output = F::Output> {
    let outer = AROUND.try_with(Arc::clone).ok();
    let node = Node {
        manager,
        what,
        outer,
    };
    AROUND.scope(Arc::new(node), future)
}
