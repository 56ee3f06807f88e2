//! Steps and what can be said of them: policies, errors, side by side, parts, pivot, callbacks.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use settled::protocol::Span;
use settled::{
    Call, CallError, Failure, OnUnknown, Propagation, Retry, Saga, Settled, StepErrorKind,
};

/// A client of some bank; here only its shape is wanted.
#[derive(Clone, Default)]
pub(crate) struct Bank;

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Charge {
    account: String,
    cents: u64,
}

/// What the bank's client says went wrong.
pub(crate) enum BankError {
    NoMoney,
    NotConnected(std::io::Error),
    TimedOut,
    Busy(Duration),
    BadRequest(String),
}

impl Bank {
    async fn charge(&self, _key: &str, _charge: &Charge) -> Result<String, BankError> {
        Ok("receipt-1".to_owned())
    }

    async fn refund(&self, _key: &str, _receipt: &str) -> Result<(), BankError> {
        Ok(())
    }

    async fn find(&self, _key: &str) -> Result<Option<String>, BankError> {
        Ok(None)
    }
}

impl From<BankError> for CallError {
    fn from(error: BankError) -> Self {
        match error {
            // The bank said no: it did not happen, and will not.
            BankError::NoMoney => Self::refused("there is not enough money"),
            // Nothing has left this machine: it certainly did not happen.
            BankError::NotConnected(error) => Self::not_sent(error),
            // The request had left: nobody knows.
            BankError::TimedOut => Self::unknown("the bank did not answer in time"),
            BankError::Busy(wait) => Self::not_sent("the bank is busy").retry_after(wait),
            // A mistake of ours: again would be of no use.
            BankError::BadRequest(why) => Self::broken(why),
        }
    }
}

async fn pay(saga: Saga<Bank>, charge: Charge) -> Result<String, Failure> {
    let receipt = saga
        .step("charge")
        .input(&charge)
        .action(async |call: Call<Bank>, charge: Charge| {
            call.state().charge(call.key(), &charge).await
        })
        .compensation(async |call, _charge, receipt: String| {
            call.state().refund(call.key(), &receipt).await
        })
        .check(async |call, _charge| call.state().find(call.key()).await)
        .timeout(Duration::from_secs(3))
        .retry(Retry {
            max_attempts: 5,
            first_delay: Span::from_millis(100),
            max_delay: Span::from_secs(10),
            factor: 2.0,
        })
        .participant("bank")
        .await?;
    Ok(receipt)
}

async fn pay_somehow(saga: Saga<Bank>, charge: Charge) -> Result<String, Failure> {
    let by_card =
        saga.step("card")
            .input(&charge)
            .action(async |call: Call<Bank>, charge: Charge| {
                call.state().charge(call.key(), &charge).await
            });
    match by_card.await {
        Ok(receipt) => Ok(receipt),
        Err(error) if error.kind() == StepErrorKind::Refused => {
            let by_invoice = saga
                .step("invoice")
                .input(&charge)
                .action(async |_: Call<Bank>, _: Charge| Ok::<_, CallError>("invoice".to_owned()));
            Ok(by_invoice.await?)
        }
        Err(error) => Err(error.into()),
    }
}

/// A step that does nothing, for where its name is all that counts.
async fn take(saga: &Saga<Bank>, name: impl Into<String>) -> Result<(), Failure> {
    let step = saga.step(name);
    Ok(step
        .action(async |_: Call<Bank>, ()| Ok::<_, CallError>(()))
        .await?)
}

async fn trip(saga: Saga<Bank>, (): ()) -> Result<(), Failure> {
    let (flight, hotel) = tokio::join!(take(&saga, "flight"), take(&saga, "hotel"));
    flight?;
    hotel?;
    for night in 1..=3 {
        take(&saga, format!("breakfast-{night}")).await?;
    }
    Ok(())
}

async fn holiday(saga: Saga<Bank>, (): ()) -> Result<bool, Failure> {
    take(&saga, "insurance").await?;
    let trip = saga.call("trip", &()).propagation(Propagation::Nested);
    // Undone alone where it fails; the saga goes on.
    Ok(trip.await.is_ok())
}

async fn publish(saga: Saga<Bank>, (): ()) -> Result<(), Failure> {
    take(&saga, "draft").await?;
    saga.step("announce")
        .action(async |_: Call<Bank>, ()| Ok::<_, CallError>(()))
        .pivot()
        .await?;
    // From here on there is no way back: this is tried again, and in the end put before a person.
    take(&saga, "send-letters").await
}

async fn with_approval(saga: Saga<Bank>, charge: Charge) -> Result<String, Failure> {
    let approved: String = saga
        .step("approval")
        .input(&charge)
        .action(async |call: Call<Bank>, charge: Charge| {
            ask_for_approval(&charge, call.callback_token()).await?;
            Err::<String, _>(CallError::pending())
        })
        .on_unknown(OnUnknown::Retry)
        .callback_timeout(Duration::from_hours(72))
        .await?;
    Ok(approved)
}

async fn ask_for_approval(_: &Charge, _token: &str) -> Result<(), CallError> {
    Ok(())
}

fn set_up(folder: &std::path::Path) -> Settled {
    Settled::with_state(Bank)
        .journal(folder.join("settled.db"))
        .saga("pay", pay)
        .saga("pay-somehow", pay_somehow)
        .saga("trip", trip)
        .saga("holiday", holiday)
        .saga("publish", publish)
        .saga("with-approval", with_approval)
        .start()
        .expect("it is set up right")
}

#[tokio::test]
async fn they_come_to_their_ends() {
    let folder = tempfile::tempdir().unwrap();
    let settled = set_up(folder.path());
    let charge = Charge {
        account: "7".to_owned(),
        cents: 100,
    };
    for name in ["pay", "pay-somehow"] {
        let paid: String = settled.start(name, &charge).result().await.unwrap();
        assert_eq!(paid, "receipt-1");
    }
    for name in ["trip", "publish"] {
        settled.start(name, &()).result::<()>().await.unwrap();
    }
    assert!(
        settled
            .start("holiday", &())
            .result::<bool>()
            .await
            .unwrap()
    );
    settled.start("with-approval", &charge).await.unwrap();
    settled.shutdown(Duration::from_secs(1)).await;
    let _ = [
        BankError::NoMoney,
        BankError::TimedOut,
        BankError::NotConnected(std::io::ErrorKind::NotConnected.into()),
        BankError::Busy(Duration::from_secs(1)),
        BankError::BadRequest(String::new()),
    ];
}
