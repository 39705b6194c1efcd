-- A change of address that is asked for can be taken back.

alter table auth.users add column email_change_withdrawn_at timestamptz;
comment on column auth.users.email_change_withdrawn_at is 'Links that ask for another address and were wished for until then open nothing any more.';

create or replace function auth.opens(token auth.mail_tokens, at timestamptz) returns boolean
    language sql stable
begin atomic
    select token.used_at is null and token.expires_at > at
       and exists (
            select from auth.users u
             where u.id = token.user_id and u.deleted_at is null
               and case token.purpose
                       -- Whoever asked with the old password, or read the old address, may be the one who was shut out.
                       when 'verify_email' then u.email = token.sent_to
                       when 'password_reset' then u.email = token.sent_to and token.created_at >= coalesce(u.password_changed_at, '-infinity')
                       else token.created_at >= coalesce(u.password_changed_at, '-infinity')
                        and token.created_at > coalesce(u.email_change_withdrawn_at, '-infinity')
                   end)
       -- The newest of its purpose alone. Mails that have not gone out yet count as well.
       and (token.purpose = 'verify_email' or not exists (
            select from public.mails m
             where m.user_id = token.user_id and m.kind = token.purpose
               and (m.created_at, m.id) > (token.created_at, token.mail_id)));
end;
