//! Problems as RFC 9457 documents: the only place where an [`ErrorKind`] becomes a status.

use std::time::Duration;

use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use meshmemo::{Error, ErrorKind};
use meshmemo_gen::FieldError;
use serde::Serialize;
use utoipa::ToSchema;

/// What went wrong, as the client reads it.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Problem {
    /// Always `about:blank`: the status says what kind of problem it is.
    #[serde(rename = "type")]
    kind: &'static str,
    /// The status in words.
    title: &'static str,
    /// The HTTP status.
    status: u16,
    /// What went wrong, naming the value and the range where there is one.
    detail: String,
    #[serde(skip)]
    retry_after: Option<Duration>,
    #[serde(skip)]
    headers: Vec<(HeaderName, HeaderValue)>,
}

impl Problem {
    /// Describes a problem.
    pub(super) fn new(status: StatusCode, detail: impl Into<String>) -> Self {
        let title = status.canonical_reason().unwrap_or("Error");
        let detail = detail.into();
        Self {
            kind: "about:blank",
            title,
            status: status.as_u16(),
            detail,
            retry_after: None,
            headers: Vec::new(),
        }
    }

    /// The request is not what it claims to be.
    pub(super) fn bad_request(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, detail)
    }

    /// The request is well-formed, and its content is not acceptable.
    pub(super) fn unprocessable(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, detail)
    }

    /// There is nothing there.
    pub(super) fn not_found(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, detail)
    }

    /// There is no room now.
    pub(super) fn busy(detail: impl Into<String>, retry_after: Duration) -> Self {
        let problem = Self::new(StatusCode::SERVICE_UNAVAILABLE, detail);
        Self { retry_after: Some(retry_after), ..problem }
    }

    /// Returns whether it is worth while to try again.
    pub(super) fn is_busy(&self) -> bool {
        self.retry_after.is_some()
    }

    /// The caller has used up what it may use.
    pub(super) fn too_many(detail: impl Into<String>, retry_after: Duration) -> Self {
        let problem = Self::new(StatusCode::TOO_MANY_REQUESTS, detail);
        Self { retry_after: Some(retry_after), ..problem }
    }

    /// Adds a header to the answer.
    pub(super) fn with_header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.push((name, value));
        self
    }
}

impl From<FieldError> for Problem {
    fn from(error: FieldError) -> Self {
        Self::unprocessable(error.to_string())
    }
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        let detail = error.to_string();
        match error.kind() {
            ErrorKind::Invalid | ErrorKind::BackendRejected => Self::unprocessable(detail),
            ErrorKind::TooLarge => Self::new(StatusCode::PAYLOAD_TOO_LARGE, detail),
            ErrorKind::Busy { retry_after } => Self::busy(detail, retry_after),
            ErrorKind::OverQuota { retry_after } => Self::too_many(detail, retry_after),
            ErrorKind::BackendFailed | ErrorKind::BackendDenied => {
                Self::new(StatusCode::BAD_GATEWAY, detail)
            }
            ErrorKind::BackendTimeout | ErrorKind::NotCached => {
                Self::new(StatusCode::GATEWAY_TIMEOUT, detail)
            }
            ErrorKind::Cancelled | ErrorKind::Shutdown => {
                Self::busy(detail, crate::limits::RETRY_AFTER)
            }
            _ => Self::new(StatusCode::INTERNAL_SERVER_ERROR, detail),
        }
    }
}

impl Problem {
    /// Returns the status as the first line of an answer has it.
    pub(super) fn status_line(&self) -> String {
        format!("{} {}", self.status, self.title)
    }

    /// Returns the document.
    pub(super) fn document(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("a problem has nothing that JSON has not")
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let body = self.document();
        let status = StatusCode::from_u16(self.status).expect("it was one before");
        let headers = [
            (header::CONTENT_TYPE, "application/problem+json"),
            (header::CACHE_CONTROL, "no-store"),
        ];
        let mut response = (status, headers, body).into_response();
        if let Some(retry_after) = self.retry_after {
            let seconds = retry_after.as_secs_f64().ceil().max(1.0);
            let value = HeaderValue::from_str(&format!("{seconds:.0}"));
            response.headers_mut().insert(header::RETRY_AFTER, value.expect("digits are a header"));
        }
        response.headers_mut().extend(self.headers);
        response
    }
}
