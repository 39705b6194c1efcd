//! The look of mails as inline styles: mail programs drop style sheets. The colours are the light ones of `app.css`;
//! the classes beside them in templates and parts let the small `style` block of `base.html` turn them dark.
//!
//! Classes: `p` paper, `s` sheet, `i` ink, `m` muted, `r` thin rule, `l` bold line, `k` the signal colour.

macro_rules! colours {
    ($($name:ident = $value:literal;)+) => { $(macro_rules! $name { () => { $value } })+ };
}

colours! {
    paper = "#f6f1e6";
    sheet = "#fdfbf5";
    ink = "#1c1914";
    muted = "#635c4f";
    rule = "#d9cfbb";
    signal = "#b0430b";
    on_signal = "#ffffff";
}

macro_rules! styles {
    ($($(#[$doc:meta])* $name:ident = [$($part:expr),+ $(,)?];)+) => {
        $($(#[$doc])* pub(super) const $name: &str = concat!($($part),+);)+
    };
}

/// For the `bgcolor` attribute, which the oldest programs read.
pub(super) const PAPER: &str = paper!();
pub(super) const SHEET: &str = sheet!();
pub(super) const SIGNAL: &str = signal!();

styles! {
    BODY = ["margin:0;padding:0;background:", paper!()];
    CANVAS = ["background:", paper!()];
    MARGIN = ["padding:24px 12px"];
    COLUMN = ["max-width:600px;font-family:'Helvetica Neue',Helvetica,Arial,sans-serif;font-size:16px;line-height:24px"];
    /// What a list of mails shows beside the subject.
    PREVIEW = ["display:none;max-height:0;overflow:hidden"];
    DEMO = ["padding:0 0 16px;font-size:13px;line-height:18px;color:", muted!()];
    MASTHEAD = [
        "padding:0 0 12px;border-bottom:2px solid ", ink!(), ";color:", ink!(),
        ";font-size:20px;font-weight:bold;letter-spacing:-.5px",
    ];
    NEWS = ["padding:28px 0 20px;color:", ink!()];
    HEADLINE = ["margin:0 0 8px;font-size:34px;line-height:36px;letter-spacing:-1px;color:", ink!()];
    PARAGRAPH = ["margin:12px 0 0;color:", ink!()];
    BLOCK = ["padding:24px 0 0"];
    HEADING = ["margin:0;padding:0 0 6px;font-size:16px;line-height:24px;color:", ink!()];

    STUB = ["padding:20px 24px;background:", signal!(), ";color:", on_signal!()];
    REFERENCE = ["font-size:40px;line-height:48px;font-weight:bold;letter-spacing:2px"];
    SHEET_CELL = ["padding:20px 24px;background:", sheet!()];
    DAY = ["padding:0 0 6px;font-size:13px;line-height:18px;color:", muted!()];
    DAY_AFTER = ["padding:20px 0 6px;font-size:13px;line-height:18px;color:", muted!()];
    END = ["color:", ink!(), ";font-size:13px;line-height:18px"];
    TIME = ["font-size:26px;line-height:28px;letter-spacing:-.5px"];
    BETWEEN = ["padding:0 12px 0 4px"];
    LINE = ["border-top:2px solid ", ink!(), ";margin:13px 0 0;font-size:0;line-height:0"];
    WAY = ["padding:4px 0 0;font-size:13px;line-height:18px;color:", muted!()];
    LEG = ["padding:2px 0 0;font-size:13px;line-height:18px;color:", ink!()];

    TABLE = ["font-size:15px;line-height:22px"];
    LABEL = ["padding:8px 12px 8px 0;border-bottom:1px solid ", rule!(), ";color:", muted!(), ";font-weight:normal"];
    VALUE = ["padding:8px 0;border-bottom:1px solid ", rule!(), ";color:", ink!()];
    AMOUNT = [
        "padding:8px 0 8px 12px;border-bottom:1px solid ", rule!(), ";color:", ink!(), ";white-space:nowrap",
    ];
    TOTAL = ["padding:10px 0;border-top:2px solid ", ink!(), ";color:", ink!(), ";font-weight:bold"];
    TOTAL_AMOUNT = [
        "padding:10px 0 10px 12px;border-top:2px solid ", ink!(), ";color:", ink!(),
        ";font-weight:bold;font-size:20px;white-space:nowrap",
    ];

    BUTTON_CELL = ["background:", signal!()];
    BUTTON = [
        "display:inline-block;padding:14px 24px;color:", on_signal!(), ";font-weight:bold;text-decoration:none",
    ];
    LINK = ["color:", ink!()];
    FOOT = ["padding:16px 0 0;border-top:1px solid ", rule!(), ";font-size:13px;line-height:18px;color:", muted!()];
    FOOT_LINK = ["color:", muted!()];
}
