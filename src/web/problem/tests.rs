//! What people and programs are told, and what they are not.

use super::*;
use crate::error::TooMany;
use crate::web::components::words;

async fn text(response: Response) -> String {
    let bytes = axum::body::to_bytes(response.into_body(), 1 << 20).await.unwrap();
    String::from_utf8(bytes.to_vec()).unwrap()
}

fn secret() -> AppError {
    AppError::Internal(InternalError::Broken("password is hunter2 <b>".to_owned()))
}

#[tokio::test]
async fn a_page_gets_a_page_and_an_api_gets_problem_json() {
    let page = render(&Frame::for_tests("/x"), None, AppError::NotFound.into_response());
    assert_eq!(page.status(), StatusCode::NOT_FOUND);
    assert!(text(page).await.contains("There is nothing at this address"));

    let frame = Frame::for_tests("/api/bookings");
    let errors = FieldErrors::one("passengers.0.name", "Write it");
    let api = render(&frame, None, AppError::Invalid(errors).into_response());
    assert_eq!(api.headers()[header::CONTENT_TYPE], "application/problem+json");
    let body: serde_json::Value = serde_json::from_str(&text(api).await).unwrap();
    assert_eq!(body["status"], 422);
    assert_eq!(body["errors"][0]["pointer"], "/passengers/0/name");
    assert_eq!(body["request_id"], frame.request.to_string());
}

#[tokio::test]
async fn our_own_faults_show_a_constant_text_and_the_request_id() {
    for path in ["/flights", "/api/flights"] {
        let frame = Frame::for_tests(path);
        let response = render(&frame, None, secret().into_response());
        assert_eq!(response.status(), StatusCode::INTERNAL_SERVER_ERROR);
        let body = text(response).await;
        assert!(!body.contains("hunter2"));
        assert!(body.contains(&frame.request.to_string()));
    }
}

#[tokio::test]
async fn in_development_the_cause_is_shown_escaped() {
    let mut frame = Frame::for_tests("/flights");
    Arc::make_mut(&mut frame.site).show_causes = true;
    let body = text(render(&frame, None, secret().into_response())).await;
    assert!(body.contains("hunter2 &#60;b&#62;"), "{body}");
}

#[tokio::test]
async fn every_error_page_says_whether_money_moved_and_what_to_do() {
    let statuses = [400, 401, 403, 404, 405, 409, 410, 413, 415, 422, 429, 500, 503];
    for (status, path) in
        statuses.into_iter().flat_map(|status| [(status, "/x"), (status, "/bookings/K7WQ4M/pay")])
    {
        let status = StatusCode::from_u16(status).unwrap();
        let mut frame = Frame::for_tests(path);
        frame.method = Method::POST;
        let body = text(render(&frame, None, Problem::of_status(status).into_response())).await;
        assert!(body.contains("<dt>Money</dt>"), "{status} {path}");
        assert!(body.contains("class=\"btn\""), "{status} {path}");
    }
}

#[tokio::test]
async fn a_visitor_without_an_account_goes_to_the_login_and_comes_back() {
    let mut frame = Frame::for_tests("/bookings");
    frame.return_to = "/bookings?a=b&c=//evil.example".to_owned();
    let response = render(&frame, None, AppError::Unauthenticated.into_response());
    assert_eq!(response.status(), StatusCode::SEE_OTHER);
    assert_eq!(
        response.headers()[header::LOCATION],
        "/login?next=%2Fbookings%3Fa%3Db%26c%3D%2F%2Fevil.example"
    );
    frame.method = Method::POST;
    let response = render(&frame, None, AppError::Unauthenticated.into_response());
    assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
    // The form is lost, and the page says so.
    assert!(text(response).await.contains("nothing of the form was saved"));
}

#[test]
fn bare_errors_keep_their_headers_and_pages_are_left_alone() {
    let bare = (StatusCode::METHOD_NOT_ALLOWED, [(header::ALLOW, "GET,HEAD")]).into_response();
    let rendered = render(&Frame::for_tests("/x"), None, bare);
    assert_eq!(rendered.headers()[header::ALLOW], "GET,HEAD");
    assert!(!needs_rendering(&rendered));

    let form_again = (StatusCode::UNPROCESSABLE_ENTITY, axum::response::Html("<form>")).into_response();
    assert!(!needs_rendering(&form_again));
    let probe = render(&Frame::for_tests("/readyz"), None, StatusCode::SERVICE_UNAVAILABLE.into_response());
    assert!(probe.headers().get(header::CONTENT_TYPE).is_none());
}

#[test]
fn too_many_says_when_to_come_back() {
    let quota = Quota { name: "sign-in", tokens: 100, window_seconds: 1_000 };
    let told = |path| {
        let too_many = TooMany { retry_after_seconds: 42, detail: "Too much.", quota: Some(quota) };
        render(&Frame::for_tests(path), None, AppError::TooMany(too_many).into_response())
    };
    let (page, program) = (told("/login"), told("/api/auth/login"));
    assert_eq!(page.headers()[header::RETRY_AFTER], "42");
    assert!(!page.headers().contains_key("ratelimit"));
    assert_eq!(program.headers()[header::RETRY_AFTER], "42");
    assert_eq!(program.headers()["ratelimit-policy"], "\"sign-in\";q=100;w=1000");
    assert_eq!(program.headers()["ratelimit"], "\"sign-in\";r=0;t=42");
    assert_eq!(words::wait(42), "42 seconds");
    assert_eq!(words::wait(898), "15 minutes");
}

#[test]
fn a_panic_is_one_of_our_own_faults() {
    let response = from_panic(Box::new("index out of bounds"));
    assert_eq!(response.status(), StatusCode::INTERNAL_SERVER_ERROR);
    assert!(needs_rendering(&response));
}
