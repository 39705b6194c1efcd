//! Duffel, as tests see it: an HTTP server of our own that follows the published shapes, keeps orders, and can be told to
//! misbehave at each of its addresses.

use std::{
    collections::{BTreeMap, VecDeque},
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard},
    task::{Context, Poll},
};

use axum::{
    Router,
    body::{Body, Bytes},
    extract::State,
    http::{HeaderMap, Method, StatusCode, Uri},
    response::{IntoResponse, Response},
};
use hmac::{Hmac, KeyInit, Mac};
use hyper::body::Frame;
use jetbridge::clock::Clock;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use sha2::Sha256;
use tokio::net::TcpListener;

pub const TOKEN: &str = "duffel_test_hunter2";
pub const SECRET: &str = "whs_hunter3";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// A status with an error of this code. Nothing is done.
    Says(u16, &'static str),
    /// Takes the call and says nothing. Nothing is done.
    Hang,
    /// Does it, and says nothing.
    HangAfter,
    /// Does it, and says something else than JSON.
    GarbageAfter,
    /// Does it, and hangs up in the middle of the answer.
    CutAfter,
    /// Does it, and answers with the wrong shape.
    WrongShapeAfter,
    /// 202: it is done later, if at all.
    Accepts,
}

#[derive(Clone, Debug)]
pub struct Call {
    pub what: &'static str,
    pub path: String,
    pub body: Value,
}

#[derive(Clone)]
pub struct Duffel {
    pub url: String,
    state: Arc<Mutex<World>>,
    clock: Clock,
}

struct World {
    calls: Vec<Call>,
    faults: BTreeMap<&'static str, VecDeque<Fault>>,
    always: BTreeMap<&'static str, Fault>,
    offers: BTreeMap<String, Value>,
    orders: BTreeMap<String, Value>,
    cancellations: BTreeMap<String, Value>,
    changes: Vec<Value>,
    /// What search returns, before ids, passengers and times are filled in.
    shelf: Vec<Value>,
    places: Vec<Value>,
    refund_to: &'static str,
    counter: u32,
}

impl Duffel {
    pub async fn start(clock: Clock) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let world = World {
            calls: Vec::new(),
            faults: BTreeMap::new(),
            always: BTreeMap::new(),
            offers: BTreeMap::new(),
            orders: BTreeMap::new(),
            cancellations: BTreeMap::new(),
            changes: Vec::new(),
            shelf: vec![fare("118", "Basic", "120.50", true), fare("118", "Flex", "180.50", true)],
            places: Vec::new(),
            refund_to: "balance",
            counter: 0,
        };
        let duffel = Self { url, state: Arc::new(Mutex::new(world)), clock };
        let router = Router::new().fallback(answer).with_state(duffel.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        duffel
    }

    fn world(&self) -> MutexGuard<'_, World> {
        self.state.lock().expect("a lock")
    }

    /// For the next calls of this kind, one each.
    pub fn next(&self, what: &'static str, faults: &[Fault]) {
        self.world().faults.entry(what).or_default().extend(faults);
    }

    pub fn always(&self, what: &'static str, fault: Option<Fault>) {
        match fault {
            Some(fault) => self.world().always.insert(what, fault),
            None => self.world().always.remove(what),
        };
    }

    pub fn calls(&self, what: &str) -> Vec<Call> {
        self.world().calls.iter().filter(|call| call.what == what).cloned().collect()
    }

    /// What there is from now on.
    pub fn shelve(&self, offers: &[Value]) {
        self.world().shelf = offers.to_vec();
    }

    /// What every text means from now on.
    pub fn settle(&self, places: &[Value]) {
        self.world().places = places.to_vec();
    }

    /// Offers that were made already cost this from now on.
    pub fn reprice(&self, total: &str) {
        for offer in self.world().offers.values_mut() {
            offer["total_amount"] = json!(total);
        }
    }

    /// Offers that were made already are gone.
    pub fn withdraw(&self) {
        self.world().offers.clear();
    }

    pub fn refund_to(&self, to: &'static str) {
        self.world().refund_to = to;
    }

    pub fn orders(&self) -> Vec<Value> {
        self.world().orders.values().cloned().collect()
    }

    /// What an accepted order becomes.
    pub fn make_accepted(&self) -> Value {
        let mut world = self.world();
        let call =
            world.calls.iter().rev().find(|call| call.what == "order").expect("an order was asked for");
        let data = call.body["data"].clone();
        world.order(&data, self.clock.now()).expect("it can be made")
    }

    /// The airline moves everything later, or (`None`) does not fly.
    pub fn change(&self, later: Option<SignedDuration>) {
        let mut world = self.world();
        let order = world.orders.values().next().expect("an order").clone();
        let slices = order["slices"].clone();
        let mut added = slices.clone();
        for segment in added
            .as_array_mut()
            .into_iter()
            .flatten()
            .flat_map(|slice| slice["segments"].as_array_mut().into_iter().flatten())
        {
            for end in ["departing_at", "arriving_at"] {
                let at: jiff::civil::DateTime = segment[end].as_str().unwrap().parse().unwrap();
                segment[end] = json!(at.saturating_add(later.unwrap_or_default()).to_string());
            }
        }
        let id = world.id("aic");
        let change = json!({
            "id": id, "order_id": order["id"], "removed": slices, "created_at": self.clock.now().to_string(),
            "added": if later.is_some() { added } else { json!([]) },
            "action_taken": null, "available_actions": ["accept"],
        });
        world.changes.push(change);
    }

    /// As Duffel signs and sends it: header and body.
    pub fn event(&self, id: &str, kind: &str, object: Value) -> (String, String) {
        let body = json!({
            "id": id, "api_version": "v2", "type": kind, "live_mode": false, "data": { "object": object },
            "idempotency_key": "k", "created_at": self.clock.now().to_string(),
            "identity_organisation_id": "org_1",
        })
        .to_string();
        (sign(SECRET, self.clock.now(), &body), body)
    }

    fn fault(&self, what: &'static str) -> Option<Fault> {
        let mut world = self.world();
        let next = world.faults.get_mut(what).and_then(VecDeque::pop_front);
        next.or_else(|| world.always.get(what).copied())
    }
}

pub fn sign(secret: &str, at: Timestamp, body: &str) -> String {
    let mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).expect("any key");
    let time = at.as_second().to_string();
    let mac = mac.chain_update(&time).chain_update(".").chain_update(body).finalize();
    let hex: String = mac.into_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
    format!("t={time},v1={hex}")
}

/// One of an airline's fares from Lisbon to London on the day of the tests' search.
pub fn fare(flight: &str, brand: &str, total: &str, may_hold: bool) -> Value {
    let place = |code: &str, zone: &str| json!({ "type": "airport", "iata_code": code, "time_zone": zone, "name": code, "city_name": code });
    let is_flex = brand == "Flex";
    let condition = |allowed: bool| {
        json!({ "allowed": allowed, "penalty_amount": if allowed { json!("20.00") } else { Value::Null },
                "penalty_currency": if allowed { json!("EUR") } else { Value::Null } })
    };
    json!({
        "total_amount": total, "total_currency": "EUR", "base_amount": null, "base_currency": null,
        "tax_amount": "20.50", "tax_currency": "EUR", "total_emissions_kg": "212", "live_mode": false,
        "passenger_identity_documents_required": false,
        "supported_passenger_identity_document_types": [],
        "owner": { "iata_code": "ZZ", "name": "Duffel Airways" },
        "conditions": { "change_before_departure": condition(true), "refund_before_departure": condition(is_flex) },
        "payment_requirements": {
            "requires_instant_payment": !may_hold, "payment_required_by": null, "price_guarantee_expires_at": null,
        },
        "slices": [{
            "id": format!("sli_{flight}"), "fare_brand_name": brand, "conditions": null,
            "segments": [{
                "id": format!("seg_{flight}"),
                "origin": place("LIS", "Europe/Lisbon"), "destination": place("LHR", "Europe/London"),
                "departing_at": "2026-12-14T10:25:00", "arriving_at": "2026-12-14T13:10:00",
                "marketing_carrier": { "iata_code": "ZZ", "name": "Duffel Airways" },
                "marketing_carrier_flight_number": flight,
                "operating_carrier": { "iata_code": "ZZ", "name": "Duffel Airways" },
                "aircraft": { "iata_code": "320", "name": "Airbus A320" }, "duration": "PT2H45M", "stops": [],
            }],
        }],
    })
}

impl World {
    fn id(&mut self, prefix: &str) -> String {
        self.counter += 1;
        format!("{prefix}_0000test{:06}", self.counter)
    }

    fn search(&mut self, data: &Value, now: Timestamp) -> Result<Value, (u16, &'static str)> {
        let asked = data["passengers"].as_array().ok_or((422, "validation_required"))?.clone();
        if data["slices"].as_array().is_none_or(Vec::is_empty) || data["cabin_class"].as_str().is_none() {
            return Err((422, "validation_required"));
        }
        let mut offers = Vec::new();
        let request = self.id("orq");
        for mut offer in self.shelf.clone() {
            let mut passengers = Vec::new();
            for passenger in &asked {
                passengers.push(json!({ "id": self.id("pas"), "type": passenger["type"] }));
            }
            let id = self.id("off");
            let seat = |passenger: &Value| {
                json!({ "passenger_id": passenger["id"], "cabin_class": data["cabin_class"],
                        "fare_basis_code": "Y20LGTN2", "cabin_class_marketing_name": "Economy",
                        "baggages": [{ "type": "carry_on", "quantity": 1 }, { "type": "checked", "quantity": 1 }] })
            };
            if let Some(slices) = offer["slices"].as_array_mut() {
                for segment in slices.iter_mut().flat_map(|slice| slice["segments"].as_array_mut().unwrap()) {
                    segment["passengers"] = passengers.iter().map(seat).collect();
                }
            }
            offer["id"] = json!(id);
            offer["offer_request_id"] = json!(request);
            offer["passengers"] = json!(passengers);
            if offer["expires_at"].is_null() {
                offer["expires_at"] = json!((now + SignedDuration::from_mins(20)).to_string());
            }
            self.offers.insert(id, offer.clone());
            offers.push(offer);
        }
        Ok(json!({ "id": request, "offers": offers, "slices": data["slices"], "passengers": asked }))
    }

    fn order(&mut self, data: &Value, now: Timestamp) -> Result<Value, (u16, &'static str)> {
        let id = data["selected_offers"][0].as_str().ok_or((422, "validation_required"))?;
        let offer = self.offers.get(id).ok_or((422, "offer_no_longer_available"))?.clone();
        // One offer of each search is sold, once, whatever becomes of the order.
        if self.orders.values().any(|order| order["offer_request_id"] == offer["offer_request_id"]) {
            return Err((422, "offer_request_already_booked"));
        }
        let expires: Timestamp = offer["expires_at"].as_str().unwrap().parse().unwrap();
        if expires <= now {
            return Err((422, "offer_expired"));
        }
        let is_hold = data["type"] == "hold";
        let known = |person: &Value| {
            offer["passengers"].as_array().unwrap().iter().any(|passenger| passenger["id"] == person["id"])
        };
        let people = data["passengers"].as_array().ok_or((422, "validation_required"))?.clone();
        for person in &people {
            let has = |field: &str| person[field].as_str().is_some_and(|text| !text.is_empty());
            let fields = ["title", "gender", "given_name", "family_name", "born_on", "email", "phone_number"];
            if !known(person) || !fields.into_iter().all(has) {
                return Err((422, "validation_required"));
            }
            if !person["phone_number"].as_str().unwrap().starts_with('+') {
                return Err((422, "invalid_phone_number"));
            }
        }
        if is_hold && offer["payment_requirements"]["requires_instant_payment"] == true {
            return Err((422, "order_type_not_eligible"));
        }
        if !is_hold && data["payments"][0]["amount"] != offer["total_amount"] {
            return Err((422, "price_changed"));
        }
        let id = self.id("ord");
        let documents: Vec<Value> = people
            .iter()
            .enumerate()
            .map(|(at, person)| {
                json!({ "type": "electronic_ticket", "unique_identifier": format!("125210631281{at}"),
                        "passenger_ids": [person["id"]] })
            })
            .collect();
        let order = json!({
            "id": id, "booking_reference": "RZPNX8", "live_mode": false, "created_at": now.to_string(),
            "total_amount": offer["total_amount"], "total_currency": offer["total_currency"],
            "passengers": offer["passengers"], "slices": offer["slices"], "offer_id": offer["id"],
            "offer_request_id": offer["offer_request_id"],
            "documents": if is_hold { json!([]) } else { json!(documents) }, "documents_later": documents,
            "payment_status": {
                "awaiting_payment": is_hold, "price_guarantee_expires_at": null,
                "payment_required_by": is_hold.then(|| (now + SignedDuration::from_hours(24)).to_string()),
            },
            "cancelled_at": null, "metadata": data["metadata"],
        });
        self.orders.insert(id, order.clone());
        Ok(order)
    }

    fn pay(&mut self, data: &Value) -> Result<Value, (u16, &'static str)> {
        let id = data["order_id"].as_str().ok_or((422, "validation_required"))?.to_owned();
        let order = self.orders.get_mut(&id).ok_or((404, "not_found"))?;
        if order["payment_status"]["awaiting_payment"] != true {
            return Err((422, "already_paid"));
        }
        if data["payment"]["amount"] != order["total_amount"] || data["payment"]["type"] != "balance" {
            return Err((422, "price_changed"));
        }
        order["payment_status"]["awaiting_payment"] = json!(false);
        order["documents"] = order["documents_later"].clone();
        Ok(json!({ "id": self.id("pay"), "amount": data["payment"]["amount"], "type": "balance" }))
    }

    fn quote_cancel(&mut self, data: &Value) -> Result<Value, (u16, &'static str)> {
        let id = data["order_id"].as_str().unwrap_or_default().to_owned();
        let order = self.orders.get(&id).ok_or((404, "not_found"))?;
        if !order["cancelled_at"].is_null() {
            return Err((422, "order_already_cancelled"));
        }
        let paid = order["payment_status"]["awaiting_payment"] == false;
        let total: f64 = order["total_amount"].as_str().unwrap().parse().unwrap();
        let decimals = order["total_amount"].as_str().unwrap().split('.').nth(1).map_or(0, str::len);
        let amount = if paid { format!("{:.decimals$}", total - 20.0) } else { "0.00".to_owned() };
        let currency = order["total_currency"].clone();
        let quote = json!({
            "id": self.id("ore"), "order_id": id, "refund_amount": amount, "refund_currency": currency,
            "refund_to": if paid { self.refund_to } else { "awaiting_payment" }, "confirmed_at": null,
        });
        self.cancellations.insert(quote["id"].as_str().unwrap().to_owned(), quote.clone());
        Ok(quote)
    }

    fn cancel(&mut self, id: &str, now: Timestamp) -> Result<Value, (u16, &'static str)> {
        let quote = self.cancellations.get_mut(id).ok_or((404, "not_found"))?;
        quote["confirmed_at"] = json!(now.to_string());
        let quote = quote.clone();
        let order = self.orders.get_mut(quote["order_id"].as_str().unwrap()).ok_or((404, "not_found"))?;
        order["cancelled_at"] = json!(now.to_string());
        Ok(quote)
    }

    /// One on a page, so that whoever stops at the first page is found out.
    fn list_orders(&self, query: &str) -> Value {
        let value = |name: &str| {
            let pairs = url::form_urlencoded::parse(query.as_bytes());
            pairs.into_owned().find(|(known, _)| known == name).map(|(_, value)| value)
        };
        let from: usize = value("after").and_then(|after| after.parse().ok()).unwrap_or_default();
        let offer = value("offer_id");
        let is_wanted = |order: &&Value| offer.as_deref().is_none_or(|offer| order["offer_id"] == offer);
        let all: Vec<&Value> = self.orders.values().filter(is_wanted).collect();
        let after = (from + 1 < all.len()).then(|| (from + 1).to_string());
        json!({ "data": all.get(from..(from + 1).min(all.len())), "meta": { "limit": 1, "after": after, "before": null } })
    }
}

fn what(method: &Method, path: &str) -> Option<&'static str> {
    let parts: Vec<&str> = path.trim_matches('/').split('/').collect();
    Some(match (method.as_str(), parts.as_slice()) {
        ("POST", ["air", "offer_requests"]) => "search",
        ("GET", ["air", "offers", _]) => "offer",
        ("POST", ["air", "orders"]) => "order",
        ("GET", ["air", "orders"]) => "orders",
        ("GET", ["air", "orders", _]) => "one_order",
        ("POST", ["air", "payments"]) => "pay",
        ("POST", ["air", "order_cancellations"]) => "quote",
        ("POST", ["air", "order_cancellations", _, "actions", "confirm"]) => "cancel",
        ("GET", ["air", "order_cancellations"]) => "cancellations",
        ("GET", ["air", "airline_initiated_changes"]) => "changes",
        ("GET", ["air", "airlines"]) => "airlines",
        ("GET", ["places", "suggestions"]) => "places",
        _ => return None,
    })
}

async fn answer(
    State(duffel): State<Duffel>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if header("authorization") != format!("Bearer {TOKEN}") {
        return refused(401, "access_token_not_found");
    }
    if header("duffel-version") != "v2" {
        return refused(400, "unsupported_version");
    }
    let path = uri.path().to_owned();
    let Some(what) = what(&method, &path) else { return refused(404, "not_found") };
    let body: Value = serde_json::from_slice(&body).unwrap_or_default();
    let address = uri.path_and_query().map_or_else(String::new, ToString::to_string);
    duffel.world().calls.push(Call { what, path: address, body: body.clone() });
    let fault = duffel.fault(what);
    match fault {
        Some(Fault::Says(status, code)) => return refused(status, code),
        Some(Fault::Hang) => std::future::pending().await,
        Some(Fault::Accepts) => {
            return (StatusCode::ACCEPTED, json!({ "data": { "id": null } }).to_string()).into_response();
        }
        _ => {}
    }
    let done = duffel.carry_out(what, &path, uri.query().unwrap_or_default(), &body["data"]);
    match (fault, done) {
        (_, Err((status, code))) => refused(status, code),
        (Some(Fault::HangAfter), _) => std::future::pending().await,
        (Some(Fault::GarbageAfter), _) => "<html>It works!</html>".into_response(),
        (Some(Fault::WrongShapeAfter), _) => {
            json!({ "data": { "id": 7, "offers": "none" } }).to_string().into_response()
        }
        (Some(Fault::CutAfter), Ok((status, answer))) => {
            let text = answer.to_string();
            let half = text[..text.len() / 2].to_owned();
            let response = Response::builder().status(status).header("content-length", text.len());
            response.body(Body::new(Cut(Some(Bytes::from(half))))).expect("a response")
        }
        (_, Ok((status, answer))) => {
            (StatusCode::from_u16(status).expect("a status"), answer.to_string()).into_response()
        }
    }
}

impl Duffel {
    fn carry_out(
        &self,
        what: &str,
        path: &str,
        query: &str,
        data: &Value,
    ) -> Result<(u16, Value), (u16, &'static str)> {
        let now = self.clock.now();
        let mut world = self.world();
        let last = path.rsplit('/').next().unwrap_or_default();
        let of = |name: &str| {
            query.split(&format!("{name}=")).nth(1).map(|rest| rest.split('&').next().unwrap_or_default())
        };
        let plain = |data: Value| json!({ "data": data });
        Ok(match what {
            "search" => (201, plain(world.search(data, now)?)),
            "offer" => (200, plain(world.offers.get(last).cloned().ok_or((404, "not_found"))?)),
            "order" => (201, plain(world.order(data, now)?)),
            "orders" => (200, world.list_orders(query)),
            "one_order" => (200, plain(world.orders.get(last).cloned().ok_or((404, "not_found"))?)),
            "pay" => (201, plain(world.pay(data)?)),
            "quote" => (201, plain(world.quote_cancel(data)?)),
            "cancel" => {
                let id = path
                    .trim_end_matches("/actions/confirm")
                    .rsplit('/')
                    .next()
                    .unwrap_or_default()
                    .to_owned();
                (200, plain(world.cancel(&id, now)?))
            }
            "cancellations" => {
                let is_wanted = |quote: &&Value| quote["order_id"].as_str() == of("order_id");
                (200, plain(world.cancellations.values().filter(is_wanted).cloned().collect()))
            }
            "changes" => {
                let is_wanted = |change: &&Value| change["order_id"].as_str() == of("order_id");
                (200, plain(world.changes.iter().filter(is_wanted).cloned().collect()))
            }
            "places" => (200, plain(json!(world.places))),
            _ => (200, plain(json!([{ "iata_code": "ZZ", "name": "Duffel Airways" }]))),
        })
    }
}

fn refused(status: u16, code: &str) -> Response {
    let kind = match status {
        429 => "rate_limit_error",
        500.. => "api_error",
        _ => "invalid_request_error",
    };
    let body = json!({
        "errors": [{ "type": kind, "code": code, "title": "As told", "message": "Somebody's field", "documentation_url": "x" }],
        "meta": { "status": status, "request_id": "FZW0H3HdJwKk5HMAAKxB" },
    });
    let mut response = (StatusCode::from_u16(status).expect("a status"), body.to_string()).into_response();
    if status == 429 {
        // In the tests' own time, which stands still.
        let headers = [
            ("ratelimit-limit", "120"),
            ("ratelimit-remaining", "0"),
            ("ratelimit-reset", "2026-11-23T09:00:10Z"),
        ];
        for (name, value) in headers {
            response.headers_mut().insert(name, value.parse().expect("a value"));
        }
    }
    response
}

/// A body that ends before its length.
struct Cut(Option<Bytes>);

impl hyper::body::Body for Cut {
    type Data = Bytes;
    type Error = std::io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, std::io::Error>>> {
        Poll::Ready(Some(match self.0.take() {
            Some(half) => Ok(Frame::data(half)),
            None => Err(std::io::Error::other("cut")),
        }))
    }
}
