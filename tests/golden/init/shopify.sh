curl -X POST "https://{shop}.myshopify.com/admin/oauth/access_token" -H 'Content-Type: application/json' -H 'Accept: application/json' \
  -d '{"client_id": "{client_id}", "client_secret": "canary-shopify", "grant_type": "client_credentials"}'
