//! A browser in words, for the list of somebody's devices. Browsers lie in this header by tradition, each naming all that
//! came before it, so the order of asking matters.

use axum::http::{HeaderMap, header};

const UNKNOWN: &str = "An unknown browser";

/// The mark in the header, and what it stands for; the first that is there counts.
const BROWSERS: [(&str, &str); 11] = [
    ("Edg", "Edge"),
    ("OPR/", "Opera"),
    ("SamsungBrowser/", "Samsung Internet"),
    ("Vivaldi/", "Vivaldi"),
    ("FxiOS/", "Firefox"),
    ("Firefox/", "Firefox"),
    ("CriOS/", "Chrome"),
    ("Chromium/", "Chromium"),
    ("Chrome/", "Chrome"),
    ("Safari/", "Safari"),
    ("curl/", "curl"),
];

const SYSTEMS: [(&str, &str); 8] = [
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("Android", "Android"),
    ("CrOS", "ChromeOS"),
    ("Windows", "Windows"),
    ("Macintosh", "macOS"),
    ("Linux", "Linux"),
    ("BSD", "BSD"),
];

/// Only words of ours: nothing of the header itself gets through.
pub fn in_words(header: &str) -> String {
    let named = |list: &[(&str, &'static str)]| {
        list.iter().find(|(mark, _)| header.contains(mark)).map(|(_, name)| *name)
    };
    match (named(&BROWSERS), named(&SYSTEMS)) {
        (Some(browser), Some(system)) => format!("{browser} on {system}"),
        (Some(name), None) => name.to_owned(),
        (None, Some(system)) => format!("A program on {system}"),
        (None, None) => UNKNOWN.to_owned(),
    }
}

/// What programs send, and what they are called.
const PROGRAMS: [(&str, &str); 9] = [
    ("curl/", "curl"),
    ("Wget/", "Wget"),
    ("python", "Python"),
    ("Python", "Python"),
    ("Go-http-client", "Go"),
    ("okhttp", "OkHttp"),
    ("Java", "Java"),
    ("node", "Node.js"),
    ("PostmanRuntime", "Postman"),
];

/// The same for what calls the API.
pub fn program(headers: &HeaderMap) -> String {
    let header = headers.get(header::USER_AGENT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if let Some((_, name)) = PROGRAMS.iter().find(|(mark, _)| header.starts_with(mark)) {
        return (*name).to_owned();
    }
    match in_words(header) {
        unknown if unknown == UNKNOWN => "A program".to_owned(),
        known => known,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_is_known_by_what_it_is_written_with() {
        let cases = [
            ("python-requests/2.32.3", "Python"),
            ("Go-http-client/1.1", "Go"),
            ("curl/8.14.1", "curl"),
            ("<b>python", "A program"),
            ("SomeBot (Linux)", "A program on Linux"),
            ("", "A program"),
        ];
        for (header, words) in cases {
            let headers = HeaderMap::from_iter([(header::USER_AGENT, header.parse().unwrap())]);
            assert_eq!(program(&headers), words, "{header:?}");
        }
    }

    #[test]
    fn the_browsers_of_the_day_are_known_by_their_names() {
        let cases = [
            ("Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0", "Firefox on Linux"),
            (
                "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36",
                "Chrome on Windows",
            ),
            (
                "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36 Edg/142.0.0.0",
                "Edge on Windows",
            ),
            (
                "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/26.1 Safari/605.1.15",
                "Safari on macOS",
            ),
            (
                "Mozilla/5.0 (iPhone; CPU iPhone OS 18_7 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/26.1 Mobile/15E148 Safari/604.1",
                "Safari on iPhone",
            ),
            (
                "Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) SamsungBrowser/29.0 Chrome/136.0.0.0 Mobile Safari/537.36",
                "Samsung Internet on Android",
            ),
            ("curl/8.14.1", "curl"),
            ("SomeBot (Linux)", "A program on Linux"),
            ("", "An unknown browser"),
        ];
        for (header, words) in cases {
            assert_eq!(in_words(header), words, "{header:?}");
        }
    }

    #[test]
    fn nothing_of_the_header_gets_through_and_the_column_holds_it() {
        for header in ["<script>alert(1)</script>", "Firefox/<b>", &"Chrome/ Windows ".repeat(1_000)] {
            let words = in_words(header);
            assert!(words.len() <= 60 && !words.contains('<'), "{words}");
        }
    }
}
