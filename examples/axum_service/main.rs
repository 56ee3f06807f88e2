//! A web service with Settled inside: an order is a saga under the client's own id.
//!
//! `cargo run --release --example axum-service` plays a client against itself, shuts down with an
//! order under way, starts again and shows that it went on. With `-- --serve` it keeps serving on
//! 127.0.0.1:8080 until Ctrl-C or SIGTERM.

mod shop;
mod story;

use std::future::Future;
use std::path::Path;
use std::time::Duration;

use axum::extract::{Path as UrlPath, State};
use axum::http::StatusCode;
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::Deserialize;
use serde_json::{Value, json};
use settled::coordinator::SubmitError;
use settled::{RunError, Settled, SetupError, StartError};
use settled_examples::Outcome;
use tokio::net::TcpListener;

use shop::{Order, Warehouse, create_order};

/// How long calls under way may take when the service is to end.
const GRACE: Duration = Duration::from_secs(10);

#[derive(Deserialize)]
struct NewOrder {
    id: String,
    #[serde(flatten)]
    order: Order,
}

/// The service: two routes over one [`Settled`].
#[derive(Clone)]
struct Service {
    settled: Settled,
    /// How long a client is kept waiting for an answer that says how it ended.
    patience: Duration,
}

/// Takes an order. The id is the client's, so that it can send the same order again when it does not
/// know whether the first one came through.
async fn place(
    State(service): State<Service>,
    Json(new): Json<NewOrder>,
) -> (StatusCode, Json<Value>) {
    let start = service.settled.start("create-order", &new.order).id(new.id);
    let started = match start.await {
        Ok(started) => started,
        Err(error) => return refuse(&error),
    };
    // From here on the order is durable, whatever becomes of this request.
    let ended = tokio::time::timeout(service.patience, started.result::<Value>()).await;
    let (status, answer) = match ended {
        Ok(Ok(result)) => (
            StatusCode::OK,
            json!({"state": "completed", "result": result}),
        ),
        Ok(Err(RunError::Compensated { reason, .. })) => (
            StatusCode::UNPROCESSABLE_ENTITY,
            json!({"state": "compensated", "reason": reason.message}),
        ),
        // Still running is not failed, and neither is waiting for a person.
        Ok(Err(_)) | Err(_) => (StatusCode::ACCEPTED, json!({"state": "running"})),
    };
    (status, Json(answer))
}

fn refuse(error: &StartError) -> (StatusCode, Json<Value>) {
    let status = match error {
        StartError::Submit(SubmitError::Conflict) => StatusCode::CONFLICT,
        StartError::Submit(_) => StatusCode::SERVICE_UNAVAILABLE,
        StartError::Invalid(_) | StartError::NoFunction(_) => StatusCode::BAD_REQUEST,
    };
    (status, Json(json!({"error": error.to_string()})))
}

/// Shows an order as it stands.
async fn show(
    State(service): State<Service>,
    UrlPath(id): UrlPath<String>,
) -> (StatusCode, Json<Value>) {
    let coordinator = service.settled.coordinator();
    let saga = match coordinator.saga(&id).await {
        Ok(Some(found)) => found.saga,
        Ok(None) => {
            return (
                StatusCode::NOT_FOUND,
                Json(json!({"error": "no such order"})),
            );
        }
        Err(error) => {
            let error = json!({"error": error.to_string()});
            return (StatusCode::INTERNAL_SERVER_ERROR, Json(error));
        }
    };
    let steps = saga.steps().skip(1);
    let steps: Vec<Value> = steps
        .map(|step| json!({"name": step.name, "state": step.state.as_str()}))
        .collect();
    let state = saga.state(coordinator.clock().now());
    (
        StatusCode::OK,
        Json(json!({"state": state.as_str(), "steps": steps})),
    )
}

impl Service {
    fn start(folder: &Path, warehouse: &Warehouse, patience: Duration) -> Result<Self, SetupError> {
        let settled = Settled::with_state(warehouse.clone())
            .journal(folder.join("settled.db"))
            .saga("create-order", create_order)
            .start()?;
        Ok(Self { settled, patience })
    }

    /// Serves until `stop`: first no more requests, then no more calls. What is not settled by then
    /// goes on at the next start.
    async fn serve(
        self,
        listener: TcpListener,
        stop: impl Future<Output = ()> + Send + 'static,
    ) -> Outcome {
        let routes = Router::new()
            .route("/orders", post(place))
            .route("/orders/{id}", get(show))
            .with_state(self.clone());
        axum::serve(listener, routes)
            .with_graceful_shutdown(stop)
            .await?;
        self.settled.shutdown(GRACE).await;
        Ok(())
    }
}

#[tokio::main]
async fn main() -> Outcome {
    if !std::env::args().any(|arg| arg == "--serve") {
        return story::tell().await;
    }
    let folder = Path::new("orders");
    std::fs::create_dir_all(folder)?;
    let service = Service::start(folder, &Warehouse::default(), Duration::from_secs(5))?;
    let listener = TcpListener::bind("127.0.0.1:8080").await?;
    println!("serving on http://127.0.0.1:8080, with the journal in ./orders");
    service.serve(listener, asked_to_end()).await
}

/// Ctrl-C, or SIGTERM where there is such a thing.
async fn asked_to_end() {
    #[cfg(unix)]
    if let Ok(mut terminate) =
        tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())
    {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = tokio::signal::ctrl_c() => {}
        }
        return;
    }
    let _ = tokio::signal::ctrl_c().await;
}
