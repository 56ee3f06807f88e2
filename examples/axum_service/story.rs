//! A client of the service, and the story that it plays: orders, a shutdown in the middle, a new
//! start.

use std::path::Path;
use std::time::Duration;

use axum::http::{Method, Request};
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde_json::{Value, json};
use settled_examples::{Outcome, holds};
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use super::Service;
use super::shop::{Books, Warehouse};

pub(crate) async fn tell() -> Outcome {
    let folder = tempfile::tempdir()?;
    let warehouse = Warehouse::default();
    let (one, two) = (
        json!({"id": "order-1", "goods": "tea", "quantity": 3}),
        json!({"id": "order-2", "goods": "tea", "quantity": 2}),
    );

    let running = Running::start(folder.path(), &warehouse).await?;
    let (status, answer) = running.post(&one).await?;
    holds(
        "an order that ends soon is answered with its end",
        status,
        200,
    )?;
    holds(
        "it says what came of it",
        &answer["result"],
        &json!("3 tea sent"),
    )?;
    let (status, _) = running.post(&one).await?;
    holds("sent again, it is the same order", status, 200)?;
    let other = json!({"id": "order-1", "goods": "tea", "quantity": 4});
    let (status, _) = running.post(&other).await?;
    holds("another order under its id is a conflict", status, 409)?;
    let too_much = json!({"id": "order-3", "goods": "tea", "quantity": 99});
    let (status, answer) = running.post(&too_much).await?;
    println!("order-3: {}", answer["reason"]);
    holds("a refusal is told to the client", status, 422)?;

    println!("the warehouse closes, and the service is asked to end with order-2 under way");
    warehouse.books().is_closed = true;
    let (status, answer) = running.post(&two).await?;
    holds(
        "still running is not failed",
        (status, &answer["state"]),
        (202, &json!("running")),
    )?;
    running.stop().await?;

    println!("the warehouse opens, and the service starts again");
    warehouse.books().is_closed = false;
    let running = Running::start(folder.path(), &warehouse).await?;
    let mut status = 202;
    while status == 202 {
        (status, _) = running.post(&two).await?;
    }
    holds("order-2 went on by itself", status, 200)?;
    let (_, shown) = running.get("order-2").await?;
    println!("order-2: {shown}");
    holds("and is completed", &shown["state"], &json!("completed"))?;
    running.stop().await?;

    let books = *warehouse.books();
    let expected = Books {
        left: 5,
        sent: 5,
        is_closed: false,
    };
    holds("five of ten are sent, nothing twice", books, expected)
}

/// The service at work, and a client of it.
struct Running {
    client: Client<HttpConnector, Full<Bytes>>,
    url: String,
    stop: oneshot::Sender<()>,
    service: JoinHandle<Result<(), String>>,
}

impl Running {
    async fn start(
        folder: &Path,
        warehouse: &Warehouse,
    ) -> Result<Self, Box<dyn std::error::Error>> {
        let service = Service::start(folder, warehouse, Duration::from_millis(300))?;
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let url = format!("http://{}/orders", listener.local_addr()?);
        let (stop, stopped) = oneshot::channel();
        let serve = async move {
            let stopped = async { drop(stopped.await) };
            let served = service.serve(listener, stopped).await;
            served.map_err(|error| error.to_string())
        };
        Ok(Self {
            client: Client::builder(TokioExecutor::new()).build_http(),
            url,
            stop,
            service: tokio::spawn(serve),
        })
    }

    async fn post(&self, order: &Value) -> Result<(u16, Value), Box<dyn std::error::Error>> {
        self.ask(Method::POST, &self.url, order.to_string()).await
    }

    async fn get(&self, id: &str) -> Result<(u16, Value), Box<dyn std::error::Error>> {
        let url = format!("{}/{id}", self.url);
        self.ask(Method::GET, &url, String::new()).await
    }

    async fn ask(
        &self,
        method: Method,
        url: &str,
        body: String,
    ) -> Result<(u16, Value), Box<dyn std::error::Error>> {
        let request = Request::builder()
            .method(method)
            .uri(url)
            .header("content-type", "application/json")
            .body(Full::from(body))?;
        let answer = self.client.request(request).await?;
        let status = answer.status().as_u16();
        let body = answer.into_body().collect().await?.to_bytes();
        Ok((status, serde_json::from_slice(&body)?))
    }

    async fn stop(self) -> Outcome {
        let _ = self.stop.send(());
        // Connections that are kept open for a next request would keep the service up.
        drop(self.client);
        Ok(self.service.await??)
    }
}
