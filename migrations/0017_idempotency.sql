-- Calls of the API that a program may repeat: the same key and the same call get the same answer, and nothing is done twice.

create table idempotency_keys (
    key_hash     bytea primary key constraint idempotency_keys_key_hash_is_sha256 check (octet_length(key_hash) = 32),
    call_hash    bytea not null constraint idempotency_keys_call_hash_is_hmac check (octet_length(call_hash) = 32),
    state        text not null default 'running' constraint idempotency_keys_state_known check (state in ('running', 'done')),
    owner        uuid not null,
    locked_until timestamptz not null,
    answer       bytea constraint idempotency_keys_answer_length check (octet_length(answer) <= 1048576),
    created_at   timestamptz not null,
    expires_at   timestamptz not null constraint idempotency_keys_expires_later check (expires_at > created_at),
    constraint idempotency_keys_done_has_answer check ((state = 'done') = (answer is not null))
);
comment on table idempotency_keys is 'Calls that came with an Idempotency-Key, for 24 hours. Swept out after that.';
comment on column idempotency_keys.key_hash is 'SHA-256 of who called and of their key: keys of two people never meet.';
comment on column idempotency_keys.call_hash is 'Keyed hash of method, address and body: a body may hold a password.';
comment on column idempotency_keys.owner is 'The request that works on it now. One that was overtaken keeps no answer.';
comment on column idempotency_keys.locked_until is 'After this a call that has no answer was broken off, and may be made again.';
comment on column idempotency_keys.answer is 'Status, headers and body, sealed with ENCRYPTION_KEYS: an answer may hold a token or a name.';
create index idempotency_keys_expires_at on idempotency_keys (expires_at);

alter table idempotency_keys enable row level security;
alter table idempotency_keys force row level security;
grant select, insert, update, delete on idempotency_keys to jetbridge_system;
create policy idempotency_keys_system on idempotency_keys to jetbridge_system using (true) with check (true);
