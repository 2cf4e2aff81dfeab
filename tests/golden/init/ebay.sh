curl -X POST 'https://api.sandbox.ebay.com/identity/v1/oauth2/token' -H 'Content-Type: application/x-www-form-urlencoded' \
  -H 'Authorization: Basic UkVTVC1hcHA6Y2FuYXJ5LWViYXk=' -d 'grant_type=client_credentials&scope=https%3A%2F%2Fapi.ebay.com%2Foauth%2Fapi_scope'
