//! What the service does: an order takes goods from a warehouse, which may be closed, and sends them.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};
use settled::protocol::Span;
use settled::{Call, CallError, Failure, Retry, Saga};

#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Order {
    pub(crate) goods: String,
    pub(crate) quantity: u32,
}

pub(crate) async fn create_order(saga: Saga<Warehouse>, order: Order) -> Result<String, Failure> {
    saga.step("reserve")
        .input(&order)
        .action(async |call: Call<Warehouse>, order: Order| call.state().reserve(&order))
        .compensation(async |call, order, ()| {
            call.state().release(&order);
            Ok::<_, CallError>(())
        })
        .await?;
    saga.step("send")
        .input(&order)
        .action(async |call: Call<Warehouse>, order: Order| call.state().send(&order))
        .retry(Retry {
            max_attempts: 1_000,
            first_delay: Span::from_millis(50),
            max_delay: Span::from_secs(1),
            factor: 2.0,
        })
        .await?;
    Ok(format!("{} {} sent", order.quantity, order.goods))
}

/// The warehouse. In real life it is elsewhere.
#[derive(Clone)]
pub(crate) struct Warehouse(Arc<Mutex<Books>>);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Books {
    pub(crate) left: u32,
    pub(crate) sent: u32,
    pub(crate) is_closed: bool,
}

impl Default for Warehouse {
    fn default() -> Self {
        Self(Arc::new(Mutex::new(Books {
            left: 10,
            sent: 0,
            is_closed: false,
        })))
    }
}

impl Warehouse {
    pub(crate) fn books(&self) -> MutexGuard<'_, Books> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn reserve(&self, order: &Order) -> Result<(), CallError> {
        let left = self.books().left.checked_sub(order.quantity);
        self.books().left = left.ok_or_else(|| CallError::refused("there is not so much left"))?;
        Ok(())
    }

    fn release(&self, order: &Order) {
        self.books().left += order.quantity;
    }

    fn send(&self, order: &Order) -> Result<(), CallError> {
        if self.books().is_closed {
            return Err(CallError::not_sent("the warehouse is closed"));
        }
        self.books().sent += order.quantity;
        Ok(())
    }
}
