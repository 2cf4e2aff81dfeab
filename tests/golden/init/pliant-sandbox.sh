curl --location --request POST 'https://infinnitystaginginternal.eu.auth0.com/oauth/token' \
--header 'Content-Type: application/json' \
--data-raw '{
"client_id": "integration-7",
"client_secret": "canary-pliant",
"audience": "api.staging.v2.infinnitytest.com/api/integration",
"grant_type": "client_credentials"
}'
