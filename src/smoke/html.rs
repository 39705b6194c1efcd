//! As much of HTML as a visitor without JavaScript needs: links, and forms with what stands in their fields.

/// A tag with its attributes, and the text up to the next one.
#[derive(Clone, Debug)]
struct Tag {
    name: String,
    attributes: Vec<(String, String)>,
    text: String,
}

/// What pressing a form's button would send.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Form {
    pub action: String,
    pub is_post: bool,
    pub fields: Vec<(String, String)>,
}

impl Form {
    /// Types over what stands there.
    pub fn with(mut self, typed: &[(&str, &str)]) -> Self {
        for (name, value) in typed {
            self.fields.retain(|(known, _)| known != name);
            self.fields.push(((*name).to_owned(), (*value).to_owned()));
        }
        self
    }
}

impl Tag {
    fn get(&self, name: &str) -> Option<&str> {
        self.attributes.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    fn has(&self, name: &str) -> bool {
        self.get(name).is_some()
    }
}

/// Where links lead that begin so.
pub fn links(html: &str, start: &str) -> Vec<String> {
    let tags = tags(html).into_iter().filter(|tag| tag.name == "a");
    tags.filter_map(|tag| tag.get("href").filter(|to| to.starts_with(start)).map(str::to_owned)).collect()
}

/// The first form whose action is found good.
pub fn form(html: &str, is_wanted: impl Fn(&str) -> bool) -> Option<Form> {
    let tags = tags(html);
    let start =
        tags.iter().position(|tag| tag.name == "form" && is_wanted(tag.get("action").unwrap_or_default()))?;
    let head = tags.get(start)?;
    let end = tags
        .iter()
        .skip(start)
        .position(|tag| tag.name == "/form")
        .map_or(tags.len(), |length| start + length);
    let is_inside = |place: usize, tag: &Tag| match tag.get("form") {
        Some(id) => head.get("id") == Some(id),
        None => (start..end).contains(&place),
    };
    let mut fields = Vec::new();
    for (place, tag) in tags.iter().enumerate().filter(|(place, tag)| is_inside(*place, tag)) {
        let Some(name) = tag.get("name").filter(|_| !tag.has("disabled")) else { continue };
        let value = match tag.name.as_str() {
            "input" => match tag.get("type").unwrap_or("text") {
                "submit" | "button" | "image" | "reset" | "file" => continue,
                "checkbox" | "radio" if !tag.has("checked") => continue,
                "checkbox" | "radio" => tag.get("value").unwrap_or("on").to_owned(),
                _ => tag.get("value").unwrap_or_default().to_owned(),
            },
            "textarea" => tag.text.trim_start_matches('\n').to_owned(),
            "select" => chosen(tags.get(place..).unwrap_or_default()),
            _ => continue,
        };
        fields.push((name.to_owned(), value));
    }
    let is_post = head.get("method").is_some_and(|method| method.eq_ignore_ascii_case("post"));
    Some(Form { action: head.get("action").unwrap_or_default().to_owned(), is_post, fields })
}

/// Of a list: what is selected, or the first.
fn chosen(from: &[Tag]) -> String {
    let options: Vec<&Tag> =
        from.iter().take_while(|tag| tag.name != "/select").filter(|tag| tag.name == "option").collect();
    let option = options.iter().find(|option| option.has("selected")).or_else(|| options.first());
    option.map(|option| option.get("value").unwrap_or(option.text.trim()).to_owned()).unwrap_or_default()
}

/// The words of a page.
pub fn text(html: &str) -> String {
    let words: Vec<String> = tags(html).into_iter().map(|tag| tag.text).collect();
    words.join(" ").split_whitespace().collect::<Vec<_>>().join(" ")
}

fn tags(html: &str) -> Vec<Tag> {
    let mut found = Vec::new();
    let mut rest = html;
    while let Some(start) = rest.find('<') {
        rest = rest.get(start..).unwrap_or_default();
        if let Some(comment) = rest.strip_prefix("<!--") {
            rest = comment.split_once("-->").map_or("", |(_, after)| after);
            continue;
        }
        let Some((tag, after)) = read_tag(rest) else { break };
        let is_raw = matches!(tag.name.as_str(), "script" | "style");
        rest = if is_raw {
            after.find("</").and_then(|end| after.get(end..)).unwrap_or_default()
        } else {
            after
        };
        let text = rest.split('<').next().unwrap_or_default();
        found.push(Tag { text: decode(text), ..tag });
    }
    found
}

/// One tag, and what comes after it. A `>` inside quotes does not end it.
fn read_tag(html: &str) -> Option<(Tag, &str)> {
    let inner = html.strip_prefix('<')?;
    let length = inner.find(|c: char| c.is_whitespace() || c == '>').unwrap_or(inner.len());
    let (name, mut rest) = inner.split_at_checked(length)?;
    let mut attributes = Vec::new();
    loop {
        rest = rest.trim_start_matches(|c: char| c.is_whitespace() || c == '/');
        if let Some(after) = rest.strip_prefix('>') {
            let name = name.trim_end_matches('/').to_ascii_lowercase();
            return Some((Tag { name, attributes, text: String::new() }, after));
        }
        let length = rest.find(|c: char| c.is_whitespace() || matches!(c, '=' | '>' | '/'))?;
        let (key, after) = rest.split_at_checked(length)?;
        if key.is_empty() {
            return None;
        }
        let (value, after) = match after.strip_prefix('=') {
            None => ("", after),
            Some(quoted) => match quoted.chars().next().filter(|c| matches!(c, '"' | '\'')) {
                Some(quote) => quoted.get(1..)?.split_once(quote)?,
                None => quoted.split_at_checked(quoted.find(|c: char| c.is_whitespace() || c == '>')?)?,
            },
        };
        attributes.push((key.to_ascii_lowercase(), decode(value)));
        rest = after;
    }
}

fn decode(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('&') {
        plain.push_str(before);
        let decoded = after.split_once(';').and_then(|(name, after)| Some((entity(name)?, after)));
        match decoded {
            Some((c, after)) => {
                plain.push(c);
                rest = after;
            }
            None => {
                plain.push('&');
                rest = after;
            }
        }
    }
    plain.push_str(rest);
    plain
}

fn entity(name: &str) -> Option<char> {
    Some(match name {
        "amp" => '&',
        "lt" => '<',
        "gt" => '>',
        "quot" => '"',
        "apos" => '\'',
        "nbsp" => '\u{a0}',
        _ => {
            let number = name.strip_prefix('#')?;
            let code = match number.strip_prefix(['x', 'X']) {
                Some(hex) => u32::from_str_radix(hex, 16).ok()?,
                None => number.parse().ok()?,
            };
            char::from_u32(code)?
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: &str = r#"<!doctype html><title>a &amp; b</title><script>if (a < b) "<form action='/x'>"</script>
        <!-- <a href="/offers/0"> --><a class=x href="/offers/1?a=1&amp;b=2">One</a><a href='/other'>Two</a>
        <form action="/other" method="get"><input name="q"></form>
        <form id="who" action="/bookings/ABC/passengers" method="post" novalidate>
          <input type="hidden" name="token" value="&quot;t&#39;&#x41;"><input name=given value="">
          <input type="radio" name="offer" value="1"><input type="radio" name="offer" value="2" checked>
          <input type="checkbox" name="keep" value="1">
          <select name="sex"><option value="">?<option value="f" selected>F</select>
          <textarea name="note">a &lt; b</textarea><button name="fill" value="1">Fill</button>
        </form><input name="late" form="who" value="x > y"><input name="stray" value="no">"#;

    #[test]
    fn a_form_sends_what_stands_in_its_fields_wherever_they_are() {
        let form = form(PAGE, |action| action.ends_with("/passengers")).unwrap();
        assert!(form.is_post);
        let fields: Vec<(&str, &str)> = form.fields.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
        let expected = [
            ("token", "\"t'A"),
            ("given", ""),
            ("offer", "2"),
            ("sex", "f"),
            ("note", "a < b"),
            ("late", "x > y"),
        ];
        assert_eq!(fields, expected);
        let typed = form.with(&[("given", "Ada")]);
        assert!(typed.fields.contains(&("given".to_owned(), "Ada".to_owned())) && typed.fields.len() == 6);
    }

    #[test]
    fn links_are_read_and_comments_and_scripts_are_not() {
        assert_eq!(links(PAGE, "/offers/"), ["/offers/1?a=1&b=2"]);
        assert_eq!(form(PAGE, |action| action == "/x"), None);
        assert!(text(PAGE).starts_with("a & b One Two"), "{}", text(PAGE));
    }

    #[test]
    fn nonsense_is_read_without_falling_over() {
        for html in
            ["", "<", "<a", "<a href", "<a href=", "<a href='", "<!--", "&", "&#xffffffff;", "<form action=x"]
        {
            let _ = (links(html, "/"), form(html, |_| true), text(html));
        }
    }
}
