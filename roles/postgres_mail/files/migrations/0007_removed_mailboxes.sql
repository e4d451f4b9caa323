-- SPDX-FileCopyrightText: virtmail.mailserver contributors
-- SPDX-License-Identifier: GPL-3.0-or-later

-- An address whose user is removed still has that user's mail in the store, which only the mail host can put away. Until it
-- has done so, nobody else can use the address: Dovecot gets an error, and puts logins and deliveries off.

-- kept: the mail stays at its place until the address is given away again.
-- put_away_at: since when nothing of the old mail has been at its place. Such an address, too, is looked at once more when it
-- is given away again, for a delivery that was under way while the user was removed.
CREATE TABLE mail_internal.removed_mailboxes (
  email text PRIMARY KEY,
  removed_at timestamptz NOT NULL,
  kept boolean NOT NULL DEFAULT false,
  put_away_at timestamptz
);

CREATE INDEX removed_mailboxes_put_away_at_idx ON mail_internal.removed_mailboxes (put_away_at) WHERE put_away_at IS NOT NULL;

-- What has not been put away keeps the date of its own removal.
CREATE FUNCTION mail_internal.remember_removed(addresses text[]) RETURNS void
LANGUAGE sql
SET search_path = pg_catalog, pg_temp
AS $$
  INSERT INTO mail_internal.removed_mailboxes AS known (email, removed_at)
  SELECT address, now() FROM unnest(addresses) AS address
  ON CONFLICT (email) DO UPDATE SET removed_at = excluded.removed_at, kept = false, put_away_at = NULL
  WHERE known.put_away_at IS NOT NULL
$$;

CREATE FUNCTION mail_internal.users_removed() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  IF TG_OP = 'TRUNCATE' THEN
    PERFORM mail_internal.remember_removed(ARRAY(SELECT email FROM public.virtual_users));
  ELSE
    PERFORM mail_internal.remember_removed(ARRAY(SELECT email FROM old_rows));
  END IF;
  RETURN NULL;
END
$$;

CREATE FUNCTION mail_internal.user_renamed() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  PERFORM mail_internal.remember_removed(ARRAY[OLD.email]);
  RETURN NULL;
END
$$;

CREATE TRIGGER mail_removal_delete AFTER DELETE ON public.virtual_users
  REFERENCING OLD TABLE AS old_rows
  FOR EACH STATEMENT EXECUTE FUNCTION mail_internal.users_removed();
CREATE TRIGGER mail_removal_truncate BEFORE TRUNCATE ON public.virtual_users
  FOR EACH STATEMENT EXECUTE FUNCTION mail_internal.users_removed();
-- Row by row, because then an update of anything else costs nothing
CREATE TRIGGER mail_removal_update AFTER UPDATE ON public.virtual_users
  FOR EACH ROW WHEN (OLD.email <> NEW.email) EXECUTE FUNCTION mail_internal.user_renamed();

CREATE FUNCTION mail_internal.is_usable_mailbox(address text) RETURNS boolean
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  IF NOT mail_internal.is_active_mailbox(address) THEN
    RETURN false;
  END IF;
  IF EXISTS (SELECT FROM mail_internal.removed_mailboxes WHERE email = address) THEN
    RAISE EXCEPTION 'the mail of an earlier user of % has not been put away yet', address
      USING ERRCODE = 'object_not_in_prerequisite_state';
  END IF;
  RETURN true;
END
$$;

CREATE OR REPLACE FUNCTION mail_lookup.passdb(login text) RETURNS TABLE (username text, password text)
LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
  SELECT email, password FROM public.virtual_users
  WHERE email = lower(login) AND mail_internal.is_usable_mailbox(email)
$$;

CREATE OR REPLACE FUNCTION mail_lookup.userdb(login text) RETURNS TABLE (username text, quota_bytes bigint)
LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
  SELECT email, quota_bytes FROM public.virtual_users
  WHERE email = lower(login) AND mail_internal.is_usable_mailbox(email)
$$;

-- What is to be put away, a thousand at a time in the order of their addresses. What is kept is among it if somebody waits for
-- the address, or if that is asked for.
CREATE FUNCTION mail_lookup.removed_mailboxes(behind text, with_kept boolean)
RETURNS TABLE (address text, removed_at timestamptz, is_awaited boolean)
LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
  SELECT removed.email, removed.removed_at, awaited
  FROM mail_internal.removed_mailboxes AS removed
  CROSS JOIN LATERAL (
    SELECT EXISTS (SELECT FROM public.virtual_users AS account WHERE account.email = removed.email) AS awaited
  ) AS users
  WHERE removed.email > behind AND (awaited OR (removed.put_away_at IS NULL AND (with_kept OR NOT removed.kept)))
  ORDER BY removed.email
  LIMIT 1000
$$;

CREATE FUNCTION mail_lookup.keep_in_place(address text, removed timestamptz) RETURNS void
LANGUAGE sql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$ UPDATE mail_internal.removed_mailboxes SET kept = true WHERE email = address AND removed_at = removed $$;

-- Nothing of what was removed then is at its place. An entry that nobody waits for is forgotten after an hour: that is longer
-- than a delivery takes, and longer than Dovecot remembers a user. Removed anew meanwhile, it stays as it is.
CREATE FUNCTION mail_lookup.put_away(address text, removed timestamptz) RETURNS void
LANGUAGE sql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
  UPDATE mail_internal.removed_mailboxes SET put_away_at = clock_timestamp()
  WHERE email = address AND removed_at = removed;
  DELETE FROM mail_internal.removed_mailboxes AS known
  WHERE known.email = address AND known.removed_at = removed
    AND EXISTS (SELECT FROM public.virtual_users AS account WHERE account.email = address);
  DELETE FROM mail_internal.removed_mailboxes WHERE put_away_at < now() - interval '1 hour'
$$;

REVOKE ALL ON ALL FUNCTIONS IN SCHEMA mail_internal FROM PUBLIC;
REVOKE ALL ON FUNCTION mail_lookup.removed_mailboxes(text, boolean), mail_lookup.keep_in_place(text, timestamptz),
  mail_lookup.put_away(text, timestamptz) FROM PUBLIC;
