curl https://enterprise.acme.com/oauth/token --json '{
  "grant_type": "client_credentials", "client_id": "abc", "client_secret": "canary-enterprise",
  "resource": ["https://api.acme.com", "https://files.acme.com"], "scope": "enterprise.read enterprise.write"}'
