-- SPDX-FileCopyrightText: virtmail.mailserver contributors
-- SPDX-License-Identifier: GPL-3.0-or-later

-- Whoever caches an answer (Dovecot does) learns from the channel mail_directory that it has changed:
-- 'user ADDRESS', 'domain NAME', or 'all' when one statement changed more than a hundred rows.

CREATE FUNCTION mail_internal.notify_directory(kind text, names text[]) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  IF cardinality(names) > 100 THEN
    PERFORM pg_notify('mail_directory', 'all');
  ELSE
    PERFORM pg_notify('mail_directory', kind || ' ' || name) FROM unnest(names) AS name;
  END IF;
END
$$;

-- The trigger functions run as the owner: who writes the tables need not be allowed into mail_internal.
CREATE FUNCTION mail_internal.users_changed() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  names text[];
BEGIN
  IF TG_OP = 'INSERT' THEN
    names := ARRAY(SELECT email FROM new_rows);
  ELSIF TG_OP = 'DELETE' THEN
    names := ARRAY(SELECT email FROM old_rows);
  ELSE
    names := ARRAY(
      SELECT unnest(CASE WHEN before.email = after.email THEN ARRAY[after.email] ELSE ARRAY[before.email, after.email] END)
      FROM old_rows AS before
      JOIN new_rows AS after USING (id)
      WHERE (before.email, before.domain_id, before.password, before.quota_bytes, before.active)
        IS DISTINCT FROM (after.email, after.domain_id, after.password, after.quota_bytes, after.active)
    );
  END IF;
  PERFORM mail_internal.notify_directory('user', names);
  RETURN NULL;
END
$$;

CREATE FUNCTION mail_internal.domains_changed() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  names text[];
BEGIN
  IF TG_OP = 'DELETE' THEN
    names := ARRAY(SELECT name FROM old_rows);
  ELSE
    names := ARRAY(
      SELECT unnest(CASE WHEN before.name = after.name THEN ARRAY[after.name] ELSE ARRAY[before.name, after.name] END)
      FROM old_rows AS before
      JOIN new_rows AS after USING (id)
      WHERE (before.name, before.active) IS DISTINCT FROM (after.name, after.active)
    );
  END IF;
  PERFORM mail_internal.notify_directory('domain', names);
  RETURN NULL;
END
$$;

CREATE FUNCTION mail_internal.all_changed() RETURNS trigger
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  PERFORM pg_notify('mail_directory', 'all');
  RETURN NULL;
END
$$;

CREATE TRIGGER mail_directory_insert AFTER INSERT ON public.virtual_users
  REFERENCING NEW TABLE AS new_rows
  FOR EACH STATEMENT EXECUTE FUNCTION mail_internal.users_changed();
CREATE TRIGGER mail_directory_update AFTER UPDATE ON public.virtual_users
  REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows
  FOR EACH STATEMENT EXECUTE FUNCTION mail_internal.users_changed();
CREATE TRIGGER mail_directory_delete AFTER DELETE ON public.virtual_users
  REFERENCING OLD TABLE AS old_rows
  FOR EACH STATEMENT EXECUTE FUNCTION mail_internal.users_changed();
CREATE TRIGGER mail_directory_truncate AFTER TRUNCATE ON public.virtual_users
  FOR EACH STATEMENT EXECUTE FUNCTION mail_internal.all_changed();

CREATE TRIGGER mail_directory_update AFTER UPDATE ON public.virtual_domains
  REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows
  FOR EACH STATEMENT EXECUTE FUNCTION mail_internal.domains_changed();
CREATE TRIGGER mail_directory_delete AFTER DELETE ON public.virtual_domains
  REFERENCING OLD TABLE AS old_rows
  FOR EACH STATEMENT EXECUTE FUNCTION mail_internal.domains_changed();
-- A TRUNCATE of virtual_domains cascades to virtual_users, which says so.

REVOKE ALL ON ALL FUNCTIONS IN SCHEMA mail_internal FROM PUBLIC;
