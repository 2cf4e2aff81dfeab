curl --location --request POST 'https://infinnityprodinternal.eu.auth0.com/oauth/token' \
--header 'Content-Type: application/json' \
--data-raw '{
"client_id": "YOUR CLIENT ID",
"client_secret": "YOUR CLIENT SECRET",
"audience": "api.getpliant.com/api/integration",
"grant_type": "client_credentials"
}'
