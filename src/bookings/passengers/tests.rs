//! The passenger form, field by field.

use super::*;

const LAST_DAY: civil::Date = civil::date(2027, 3, 27);
const TODAY: civil::Date = civil::date(2026, 11, 22);

fn good() -> Vec<(&'static str, &'static str)> {
    vec![
        ("p1_given", " Maria  Inês "),
        ("p1_family", "O’Neill-Duarte"),
        ("p1_day", "4"),
        ("p1_month", "12"),
        ("p1_year", "1986"),
        ("p1_sex", "f"),
        ("email", "maria@example.com"),
        ("phone", "+351 900 000 000"),
    ]
}

fn sent(pairs: &[(&str, &str)]) -> PassengerForm {
    PassengerForm::new(pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())))
}

fn with(field: &'static str, value: &'static str) -> PassengerForm {
    let mut pairs = good();
    pairs.retain(|(name, _)| *name != field);
    pairs.push((field, value));
    sent(&pairs)
}

fn wanted(kind: PassengerKind) -> Wanted {
    Wanted {
        kinds: vec![kind],
        last_day: LAST_DAY,
        today: TODAY,
        documents: DocumentRule::NotAsked,
        kept: Vec::new(),
    }
}

fn adult() -> Wanted {
    wanted(PassengerKind::Adult)
}

fn error_of(form: &PassengerForm, kind: PassengerKind, field: &str) -> Option<String> {
    form.check(&wanted(kind)).err().and_then(|errors| errors.get(field).map(str::to_owned))
}

#[test]
fn a_good_form_gives_the_party_with_spaces_tidied() {
    let Given { passengers, contact, documents } = sent(&good()).check(&adult()).unwrap();
    assert_eq!(passengers[0].given_names, "Maria Inês");
    assert_eq!(passengers[0].born_on, civil::date(1986, 12, 4));
    assert_eq!(contact.phone, "+351 900 000 000");
    assert!(documents.is_empty());
}

#[test]
fn names_of_every_script_and_keyboard_are_understood() {
    let cases = [
        ("Jose\u{301}", "José"),
        ("प्रिया", "प्रिया"),
        ("d‘Arcy", "d’Arcy"),
        ("O'Neill", "O'Neill"),
        ("李", "李"),
    ];
    for (typed, kept) in cases {
        let given = with("p1_given", typed).check(&adult()).unwrap();
        assert_eq!(given.passengers[0].given_names, kept);
    }
}

#[test]
fn what_is_kept_fills_the_form_and_checks_again() {
    let given = sent(&good()).check(&adult()).unwrap();
    let again = PassengerForm::filled(&given.passengers, &[], Some(&given.contact)).check(&adult());
    assert_eq!(again.unwrap(), given);
}

#[test]
fn an_empty_form_names_every_field_at_once() {
    let errors = sent(&[]).check(&adult()).unwrap_err();
    let fields: Vec<&str> = errors.iter().map(|(field, _)| field).collect();
    assert_eq!(fields, ["p1_given", "p1_family", "p1_born", "p1_sex", "email", "phone"]);
}

#[test]
fn hostile_values_get_a_message_beside_their_field_and_are_kept() {
    let cases = [
        ("p1_given", "R2D2"),
        ("p1_given", "<script>"),
        ("p1_given", "\u{202e}Maria"),
        ("p1_given", "Mar\0ia"),
        ("p1_given", "🙂"),
        ("p1_given", "..."),
        ("p1_family", "   "),
        ("p1_sex", "q"),
        ("email", "maria.example.com"),
        ("email", "a@b\r\nBcc: c@d.example"),
        ("phone", "call me"),
        ("phone", "+1+2345678"),
        ("phone", "12"),
    ];
    for (field, value) in cases {
        let form = with(field, value);
        assert!(error_of(&form, PassengerKind::Adult, field).is_some(), "{field}={value:?}");
        assert_eq!(form.value(field), value);
    }
}

#[test]
fn dates_that_do_not_exist_or_do_not_fit_are_told_apart() {
    let born = |day, month, year| {
        let mut pairs = good();
        pairs.retain(|(name, _)| !["p1_day", "p1_month", "p1_year"].contains(name));
        pairs.extend([("p1_day", day), ("p1_month", month), ("p1_year", year)]);
        sent(&pairs)
    };
    let message = |form: &PassengerForm, kind| error_of(form, kind, "p1_born").unwrap_or_default();
    assert!(message(&born("30", "2", "1986"), PassengerKind::Adult).contains("no such day"));
    assert!(message(&born("x", "2", "1986"), PassengerKind::Adult).contains("digits"));
    assert!(message(&born("999999", "2", "1986"), PassengerKind::Adult).contains("digits"));
    assert!(message(&born("1", "1", "2027"), PassengerKind::Infant).contains("still to come"));
    assert!(message(&born("1", "1", "1850"), PassengerKind::Adult).contains("Nobody is that old"));
    assert!(message(&born("20", "3", "2015"), PassengerKind::Child).contains("is 12 and flies as an adult"));
    assert_eq!(message(&born("28", "3", "2015"), PassengerKind::Child), "");
}

#[test]
fn a_birthday_on_the_last_day_counts() {
    assert_eq!(age_on(civil::date(2015, 3, 27), LAST_DAY), 12);
    assert_eq!(age_on(civil::date(2015, 3, 28), LAST_DAY), 11);
    assert_eq!(age_on(civil::date(2024, 2, 29), civil::date(2026, 2, 28)), 1);
    assert_eq!(age_on(civil::date(2024, 2, 29), civil::date(2026, 3, 1)), 2);
}

fn asked(kept: Option<&Passenger>) -> Wanted {
    let note = |passenger: &Passenger| {
        let note = DocumentNote {
            passenger: crate::ids::PassengerId::new(),
            last_two: "42".to_owned(),
            country: "PT".to_owned(),
            expires_on: civil::date(2031, 4, 30),
        };
        (passenger.clone(), note)
    };
    Wanted { documents: DocumentRule::Asked, kept: vec![kept.map(note)], ..adult() }
}

fn with_passport(changes: &[(&'static str, &'static str)]) -> PassengerForm {
    let mut pairs = good();
    pairs.extend([
        ("p1_passport", "ca 123 442"),
        ("p1_country", "PT"),
        ("p1_expires_day", "30"),
        ("p1_expires_month", "4"),
        ("p1_expires_year", "2031"),
    ]);
    pairs.retain(|(name, _)| !changes.iter().any(|(changed, _)| changed == name));
    pairs.extend(changes);
    sent(&pairs)
}

#[test]
fn a_passport_is_read_where_it_is_asked_for_and_ignored_where_it_is_not() {
    let given = with_passport(&[]).check(&asked(None)).unwrap();
    let number = given.documents[0].number.as_ref().unwrap();
    assert_eq!((number.expose(), given.documents[0].country.as_str()), ("CA123442", "PT"));
    assert!(with_passport(&[]).check(&adult()).unwrap().documents.is_empty());
}

#[test]
fn what_is_wrong_with_a_passport_is_told_beside_its_field() {
    let cases: [(&'static str, &'static str, &str); 11] = [
        ("p1_passport", "", "p1_passport"),
        ("p1_passport", "1234", "p1_passport"),
        ("p1_passport", "CA-123442", "p1_passport"),
        ("p1_passport", "СА123442", "p1_passport"),
        ("p1_passport", "CA123442CA123442CA123", "p1_passport"),
        ("p1_country", "", "p1_country"),
        ("p1_country", "ZZ", "p1_country"),
        ("p1_country", "pt", "p1_country"),
        ("p1_expires_day", "31", "p1_expires"),
        ("p1_expires_year", "2026", "p1_expires"),
        ("p1_expires_year", "2999", "p1_expires"),
    ];
    for (field, value, at) in cases {
        let errors = with_passport(&[(field, value)]).check(&asked(None)).unwrap_err();
        assert_eq!(errors.iter().map(|(field, _)| field).collect::<Vec<_>>(), [at], "{field}={value}");
    }
    let on_the_last_day = [("p1_expires_day", "27"), ("p1_expires_month", "3"), ("p1_expires_year", "2027")];
    assert!(with_passport(&on_the_last_day).check(&asked(None)).is_err());
    let a_day_later = [("p1_expires_day", "28"), ("p1_expires_month", "3"), ("p1_expires_year", "2027")];
    assert!(with_passport(&a_day_later).check(&asked(None)).is_ok());
}

#[test]
fn an_empty_number_keeps_the_one_that_is_saved_but_never_for_somebody_else() {
    let maria = with_passport(&[]).check(&asked(None)).unwrap().passengers.remove(0);
    let given = with_passport(&[("p1_passport", "  ")]).check(&asked(Some(&maria))).unwrap();
    assert_eq!(given.documents[0].number, None);
    for change in [("p1_given", "João"), ("p1_family", "Silva"), ("p1_year", "1985")] {
        let form = with_passport(&[("p1_passport", ""), change]);
        let errors = form.check(&asked(Some(&maria))).unwrap_err();
        assert!(errors.get("p1_passport").unwrap().contains("has changed"), "{change:?}");
    }
}

#[test]
fn the_form_of_what_is_kept_has_no_number_and_debug_has_no_value() {
    let given = with_passport(&[]).check(&asked(None)).unwrap();
    let wanted = asked(Some(&given.passengers[0]));
    let notes: Vec<_> = wanted.kept.iter().map(|kept| kept.clone().map(|(_, note)| note)).collect();
    let filled = PassengerForm::filled(&given.passengers, &notes, Some(&given.contact));
    assert_eq!((filled.value("p1_passport"), filled.value("p1_country")), ("", "PT"));
    assert_eq!(filled.check(&wanted).unwrap().documents[0].number, None);
    let shown = format!("{:?}{given:?}", with_passport(&[]));
    for secret in ["Maria", "1986", "123", "example.com"] {
        assert!(!shown.contains(secret), "{shown}");
    }
}
