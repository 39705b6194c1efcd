//! What people, programs and attackers put into fields.

/// Every kind of text that has ever broken a form, each with a name for the report.
pub fn inputs() -> Vec<(&'static str, String)> {
    let mut inputs: Vec<(&'static str, String)> =
        FIXED.iter().map(|(name, text)| (*name, (*text).to_owned())).collect();
    inputs.extend([
        ("ten thousand letters", "a".repeat(10_000)),
        ("sixty thousand letters", "x".repeat(60_000)),
        ("ten thousand emoji", "🙂".repeat(2_500)),
        ("five hundred marks on one letter", format!("e{}", "\u{301}".repeat(500))),
        ("ten thousand blanks", " ".repeat(10_000)),
        ("ten thousand lines", "\n".repeat(10_000)),
        ("an address of 255 characters", format!("{}@example.com", "a".repeat(243))),
        ("a deep path", "../".repeat(60)),
        ("deep brackets", "[".repeat(2_000)),
    ]);
    inputs
}

const FIXED: [(&str, &str); 60] = [
    ("nothing", ""),
    ("a blank", " "),
    ("blanks of other kinds", "\u{a0}\u{2003}\u{3000}"),
    ("a tab and line ends", "\t\r\n"),
    ("NUL", "\0"),
    ("NUL inside", "Mar\0ia"),
    ("bell and escape", "\u{7}\u{1b}[31mred"),
    ("delete", "\u{7f}"),
    ("right to left", "\u{202e}airaM"),
    ("isolates", "\u{2066}Maria\u{2069}"),
    ("zero width", "Ma\u{200b}ria\u{200d}"),
    ("byte order mark", "\u{feff}Maria"),
    ("replacement character", "\u{fffd}"),
    ("private use", "\u{e000}\u{f8ff}"),
    ("not a character", "\u{ffff}"),
    ("line separator", "a\u{2028}b"),
    ("emoji", "🙂"),
    ("a family of emoji", "👩‍👩‍👧‍👦"),
    ("a flag", "🇵🇹"),
    ("Arabic", "محمد"),
    ("Hindi", "प्रिया"),
    ("Chinese", "李小龙"),
    ("Zalgo", "M̷̛͎a̸͝r̶͊i̵a"),
    ("decomposed", "Jose\u{301}"),
    ("a ligature", "ﬁnd ＦＵＬＬ"),
    ("Turkish i", "İstanbul ı"),
    ("Greek digits of another script", "١٢٣"),
    ("SQL, closed quote", "'; drop table bookings; --"),
    ("SQL, always true", "' or '1'='1"),
    ("SQL, double quote", "\" or \"\"=\""),
    ("SQL, sleep", "1); select pg_sleep(10); --"),
    ("SQL, wildcard", "%_%"),
    ("backslashes", "\\'; \\x00 \\u0000"),
    ("a script", "<script>alert(1)</script>"),
    ("an attribute", "\"><img src=x onerror=alert(1)>"),
    ("an attribute with single quotes", "' autofocus onfocus=alert(1) x='"),
    ("an end tag", "</textarea></title><svg/onload=alert(1)>"),
    ("an entity", "&lt;b&gt; &amp; &#0; &#x202e;"),
    ("a script address", "javascript:alert(1)"),
    ("a data address", "data:text/html,<script>alert(1)</script>"),
    ("a template", "${7*7} #{7*7} <%= 7*7 %> [[7*7]]"),
    ("a header", "a\r\nX-Injected: yes\r\n\r\n<b>"),
    ("a mail header", "a@b.example\r\nBcc: c@d.example"),
    ("two addresses", "a@b.example,c@d.example"),
    ("a plus address", "maria+jet@example.com"),
    ("a homoglyph address", "mаria@example.com"),
    ("an international domain", "maria@bücher.example"),
    ("punycode", "maria@xn--bcher-kva.example"),
    ("an address of a host", "maria@[127.0.0.1]"),
    ("a quoted address", "\"maria duarte\"@example.com"),
    ("another site", "//evil.example/x"),
    ("another site, slashes turned", "/\\evil.example"),
    ("another site in full", "https://evil.example/"),
    ("a path upwards", "../../etc/passwd"),
    ("a shell", "$(reboot) `reboot` | reboot; reboot &"),
    ("percent signs", "%00%0d%0a%ff%zz%"),
    ("a format", "%s%n%x{}{0}"),
    ("a negative number", "-1"),
    ("a number beyond all", "99999999999999999999999999"),
    ("a number with an exponent", "1e309 NaN Infinity 0x10 1,000.5"),
];

#[test]
fn there_are_more_than_sixty_and_no_two_are_the_same() {
    let all: std::collections::BTreeSet<String> = inputs().into_iter().map(|(_, text)| text).collect();
    assert_eq!(all.len(), inputs().len());
    assert!(all.len() > 60);
}
