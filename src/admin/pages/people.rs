//! Who is staff: the list, and one of them. For owners.

use askama::Template;
use axum::{
    extract::State,
    response::{Html, IntoResponse, Redirect, Response},
};
use serde::Deserialize;

use super::{again, moment, said::Done};
use crate::{
    admin::people::{self, Member},
    clock::Clock,
    db::Db,
    error::{AppError, FieldErrors},
    ids::UserId,
    web::{
        chrome::Chrome,
        components::{Field, Fragment, choice},
        form::{self, Form, Path, Query},
        powers::{ManageStaff, May},
        principal::StaffRole,
        proof::Proved,
    },
};

#[derive(Template)]
#[template(path = "admin/people.html")]
struct PeoplePage {
    chrome: Chrome,
    said: Option<Fragment>,
    people: Vec<MemberView>,
    email: String,
    roles: Fragment,
    errors: FieldErrors,
}

struct MemberView {
    id: String,
    email: String,
    role: String,
    second_factor: bool,
    seen: String,
}

impl From<Member> for MemberView {
    fn from(member: Member) -> Self {
        Self {
            id: member.user.to_string(),
            email: member.email,
            role: member.role,
            second_factor: member.second_factor,
            seen: member.seen_at.map_or_else(|| "not signed in".to_owned(), moment),
        }
    }
}

pub async fn people(
    State(db): State<Db>,
    _: May<ManageStaff>,
    chrome: Chrome,
    Query(query): Query<Done>,
) -> Result<Html<String>, AppError> {
    let page = PeoplePage::load(&db, chrome, &AddForm::default(), FieldErrors::default()).await?;
    Ok(Html(PeoplePage { said: query.said(), ..page }.render()?))
}

impl PeoplePage {
    async fn load(db: &Db, chrome: Chrome, form: &AddForm, errors: FieldErrors) -> Result<Self, AppError> {
        Ok(Self {
            chrome,
            said: None,
            people: people::list(db).await?.into_iter().map(MemberView::from).collect(),
            email: form.email.chars().filter(|c| !c.is_control()).collect(),
            roles: role_choice(&form.role, &errors),
            errors,
        })
    }
}

fn role_choice(chosen: &str, errors: &FieldErrors) -> Fragment {
    let options: Vec<(&str, String)> =
        StaffRole::ALL.iter().map(|role| (role.code(), super::in_words(role.code()))).collect();
    let options: Vec<(&str, &str)> = options.iter().map(|(code, words)| (*code, words.as_str())).collect();
    choice("role", "Role", &options, chosen, errors)
}

#[derive(Deserialize, Default)]
#[serde(default)]
pub struct AddForm {
    email: String,
    role: String,
}

pub async fn add(
    State(db): State<Db>,
    State(clock): State<Clock>,
    staff: May<ManageStaff>,
    _: Proved,
    chrome: Chrome,
    Form(form): Form<AddForm>,
) -> Result<Response, AppError> {
    let mut errors = FieldErrors::default();
    let email = form::email(&mut errors, "email", &form.email);
    let role = read_role(&mut errors, &form.role);
    let added = match (email, role) {
        (Some(email), Some(role)) => people::add(&db, &clock, staff.user, &email, role).await,
        _ => Err(AppError::Invalid(errors)),
    };
    match added {
        Ok(()) => Ok(Redirect::to("/admin/staff?done=added").into_response()),
        Err(AppError::Invalid(errors)) => again(PeoplePage::load(&db, chrome, &form, errors).await?),
        Err(other) => Err(other),
    }
}

fn read_role(errors: &mut FieldErrors, typed: &str) -> Option<StaffRole> {
    let role = typed.parse().ok();
    if role.is_none() {
        errors.add("role", "Choose a role");
    }
    role
}

#[derive(Template)]
#[template(path = "admin/person.html")]
struct PersonPage {
    chrome: Chrome,
    said: Option<Fragment>,
    person: MemberView,
    is_oneself: bool,
    roles: Fragment,
    errors: FieldErrors,
}

pub async fn person(
    State(db): State<Db>,
    staff: May<ManageStaff>,
    chrome: Chrome,
    Path(id): Path<String>,
    Query(query): Query<Done>,
) -> Result<Html<String>, AppError> {
    let member = people::member(&db, user_of(&id)?).await?;
    let page = PersonPage::new(chrome, &staff, member, FieldErrors::default());
    Ok(Html(PersonPage { said: query.said(), ..page }.render()?))
}

impl PersonPage {
    fn new(chrome: Chrome, staff: &May<ManageStaff>, member: Member, errors: FieldErrors) -> Self {
        Self {
            chrome,
            said: None,
            is_oneself: staff.user == member.user,
            roles: role_choice(&member.role, &errors),
            person: member.into(),
            errors,
        }
    }
}

#[derive(Deserialize, Default)]
#[serde(default)]
pub struct RoleForm {
    role: String,
}

pub async fn change_role(
    State(db): State<Db>,
    State(clock): State<Clock>,
    staff: May<ManageStaff>,
    _: Proved,
    chrome: Chrome,
    Path(id): Path<String>,
    Form(form): Form<RoleForm>,
) -> Result<Response, AppError> {
    let user = user_of(&id)?;
    let mut errors = FieldErrors::default();
    let Some(role) = read_role(&mut errors, &form.role) else {
        let member = people::member(&db, user).await?;
        return again(PersonPage::new(chrome, &staff, member, errors));
    };
    people::change(&db, &clock, staff.user, user, Some(role)).await?;
    Ok(Redirect::to("/admin/staff?done=role").into_response())
}

pub async fn remove(
    State(db): State<Db>,
    State(clock): State<Clock>,
    staff: May<ManageStaff>,
    _: Proved,
    Path(id): Path<String>,
) -> Result<Redirect, AppError> {
    people::change(&db, &clock, staff.user, user_of(&id)?, None).await?;
    Ok(Redirect::to("/admin/staff?done=removed"))
}

fn user_of(id: &str) -> Result<UserId, AppError> {
    id.parse().map_err(|_| AppError::NotFound)
}
