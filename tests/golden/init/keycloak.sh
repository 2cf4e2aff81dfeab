curl -k -s -X POST https://keycloak:8443/realms/demo/protocol/openid-connect/token -u 'machine:canary-keycloak' -d grant_type=client_credentials
