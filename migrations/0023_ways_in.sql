-- Ways in, narrower: sessions lie in the table by a hash of their id, and programs can be told apart by their owner.

-- A session's id is the key that the browser holds, so the table knows its SHA-256 only. Sessions that stand go on under
-- their hash. Their data repeated the id (after the three bytes that begin a record): it becomes zeros.
alter table auth.devices drop constraint devices_session_id_fkey;
update auth.devices set session_id = encode(sha256(convert_to(session_id, 'UTF8')), 'hex')
 where session_id is not null;
update tower_sessions.session
   set id = encode(sha256(convert_to(id, 'UTF8')), 'hex'),
       data = case when substring(data for 3) = '\x93c410'
                   then overlay(data placing decode(repeat('00', 16), 'hex') from 4)
                   else data end;
alter table auth.devices add constraint devices_session_id_fkey
    foreign key (session_id) references tower_sessions.session (id) on delete set null;
comment on column tower_sessions.session.id is 'SHA-256 of the id in the cookie, in hex.';
comment on column auth.devices.session_id is 'The session, by the hash of its id. NULL while the session changes its id, and after its end.';

-- The row's own id is what processes listen for. What the version before this one still writes during a deploy is named as
-- that version understands it.
create or replace function tower_sessions.tell_change() returns trigger
    language plpgsql
as $$
begin
    if tg_op = 'TRUNCATE' then
        perform pg_notify('session_changed', '');
    elsif old.id ~ '^[0-9a-f]{64}$' then
        perform pg_notify('session_changed', old.id);
    else
        perform pg_notify('session_changed', encode(sha256(convert_to(old.id, 'UTF8')), 'hex'));
    end if;
    return null;
end
$$;

alter table auth.token_families
    add column program text not null default 'A program'
        constraint token_families_program_length check (length(program) between 1 and 60),
    add column used_at timestamptz;
comment on column auth.token_families.program is 'What signed in, in words of ours such as "curl on Linux"; never the whole header.';
comment on column auth.token_families.used_at is 'When its tokens were last exchanged. NULL: not since it signed in.';
grant update (used_at) on auth.token_families to jetbridge_system;
